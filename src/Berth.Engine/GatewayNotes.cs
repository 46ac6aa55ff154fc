using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Berth.Engine.Executors;
using Berth.Engine.Gateway;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>
/// Takes down what a host has to say while the supervisor writes the journal: tokens, refusals, a take-over.
/// </summary>
internal sealed class GatewayNotes : IGatewayObserver, IAsyncDisposable
{
    // Refusals end runs, so there are few; should they flood, the last ones say enough.
    private const int MaxPending = 32;
    private readonly Channel<ControlRequest> notes = Channel.CreateBounded<ControlRequest>(
        new BoundedChannelOptions(MaxPending) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    private readonly RunFlow flow;
    private readonly IExecutor executor;
    private readonly GatewayCounts before;
    private readonly CancellationTokenSource done = new();
    private readonly Task pump;

    public GatewayNotes(RunFlow flow, IExecutor executor)
    {
        this.flow = flow;
        this.executor = executor;
        before = flow.Progress.Gateway;
        pump = PumpAsync();
    }

    public void Counted(ModelUsage totals) => flow.Save(progress => progress with
    {
        Gateway = new GatewayCounts(
            before.Requests + totals.Requests,
            before.InputTokens + totals.InputTokens,
            before.OutputTokens + totals.OutputTokens,
            before.Refusals + totals.Refusals),
    });

    /// <summary>This host took the run over from one that had died.</summary>
    public void Adopted() => Write(new JsonObject { ["type"] = BerthEvents.Adopted });

    public void Refused(int status, string message) =>
        Write(new JsonObject
        {
            ["type"] = BerthEvents.ModelRefused,
            ["status"] = status,

            // The supervisor knows the credential of the host that started it, and this one may have another.
            ["message"] = flow.Redact(message),
        });

    public async ValueTask DisposeAsync()
    {
        notes.Writer.Complete();
        await done.CancelAsync();
        await pump;
        done.Dispose();
    }

    private void Write(JsonObject note)
    {
        using var parsed = JsonDocument.Parse(note.ToJsonString());
        notes.Writer.TryWrite(new ControlRequest { Verb = ControlVerb.Note, Data = parsed.RootElement.Clone() });
    }

    private async Task PumpAsync()
    {
        try
        {
            await foreach (var note in notes.Reader.ReadAllAsync(done.Token))
            {
                await executor.SendAsync(flow.Id, note, done.Token);
            }
        }
        catch (FailureException)
        {
            // The supervisor has ended meanwhile: the CLI's own last words say that the model refused.
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The execution has ended, and with it the journal's writer.
        }
    }
}
