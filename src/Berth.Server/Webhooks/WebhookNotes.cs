using System.Buffers;
using System.Text;
using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Engine.Webhooks;
using Berth.Protocol;
using Berth.Server.Api;

namespace Berth.Server.Webhooks;

/// <summary>Notes what has become true of runs, as messages to those who want to know.</summary>
internal sealed class WebhookNotes(BerthEngine engine, IReadOnlyList<WebhookReceiver> receivers, WebhookOptions options)
{
    /// <summary>The most that a message has; what is larger comes without its long parts.</summary>
    private const int MostBytes = 256 * 1024;

    // In one turn; more than have changed in a second by far, and the next turn follows at once.
    private const int MostRuns = 200;

    private IReadOnlyDictionary<string, DateTimeOffset> since = 
        new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);

    /// <summary>Begins: from now on the receivers are told.</summary>
    public void Settle() => since = engine.Webhooks.Settle([.. receivers.Select(receiver => receiver.Key)]);

    /// <summary>Notes what there is.</summary>
    /// <returns>Whether there may be more, and how many messages were not kept because too many wait.</returns>
    public (bool IsMore, int Dropped) NoteAll(DateTimeOffset now)
    {
        var runs = engine.Webhooks.ListUntold(MostRuns);
        if (runs.Count == 0)
        {
            return (false, 0);
        }

        var waiting = new Dictionary<string, int>(engine.Webhooks.CountWaiting(), StringComparer.Ordinal);
        var dropped = 0;
        foreach (var run in runs)
        {
            var messages = MessagesOf(run, now).ToList();
            var kept = messages.Where(message => HasRoom(waiting, message.Receiver)).ToList();
            dropped += messages.Count - kept.Count;
            engine.Webhooks.Add(run, WebhookEvents.LevelOf(run), kept);
        }

        return (runs.Count == MostRuns, dropped);
    }

    private static bool HasRoom(Dictionary<string, int> waiting, string receiver)
    {
        var count = waiting.GetValueOrDefault(receiver);
        waiting[receiver] = count + 1;
        return count < WebhookStore.MostWaiting;
    }

    private IEnumerable<WebhookMessage> MessagesOf(UntoldRun run, DateTimeOffset now)
    {
        var wanted = WebhookEvents.NewOf(run)
            .Where(found => options.Events.Contains(found.Type, StringComparer.Ordinal)).ToList();
        if (wanted.Count == 0 || engine.Find(run.Id) is not { } view)
        {
            yield break;
        }

        foreach (var (type, at) in wanted)
        {
            var body = BodyOf(type, at, view, engine.Shown.RedactorOf(view.Id, view.Workflow));
            foreach (var receiver in receivers.Where(receiver => at >= since[receiver.Key]))
            {
                // The id says what is told, so that it is the same whoever notes it.
                var id = $"{type.Replace('.', '_')}_{run.Id}";
                yield return new WebhookMessage(id, receiver.Key, run.Id, type, body, now);
            }
        }
    }

    private static string BodyOf(string type, DateTimeOffset at, RunView run, Redactor redactor)
    {
        var body = Write(type, at, run, redactor);
        return body.Length <= MostBytes
            ? body
            : Write(type, at, run with
            {
                Result = null, Commits = [], FilesChanged = [], PermissionDenials = [], Warnings = [],
            }, redactor);
    }

    private static string Write(string type, DateTimeOffset at, RunView run, Redactor redactor)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("type", type);
            json.WriteString("timestamp", at.UtcDateTime);
            json.WritePropertyName("data");
            json.WriteRawValue(
                Leaving.Redact(JsonSerializer.SerializeToUtf8Bytes(run, RunJson.Plain.RunView), redactor),
                skipInputValidation: true);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
