using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Logs;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>The one place for documents that leave a server: what is known as a secret now is redacted in them, be it
/// that who wrote them down did not know it yet.</summary>
/// <remarks>
/// Redacted are texts, and neither the names of fields nor the words of ours: a workflow whose variable happens to be
/// called <c>running</c> must not break its callers. What is no document goes through <see cref="RedactedStream"/>.
/// </remarks>
internal static class Leaving
{
    // Their values are words and numbers of ours.
    private static readonly HashSet<string> Ours = new(StringComparer.Ordinal)
    {
        "id", "state", "mode", "sandbox", "trust", "code", "fault", "type", "status", "sessionId", "continuedFrom",
        "approvalsBy", "run_id", "session_id", "decision", "cursor", "next", "createdAt", "startedAt", "finishedAt",
    };

    private static readonly JsonWriterOptions Writing = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>From here on what is answered to a request is redacted.</summary>
    public static void Begin(HttpContext context, BerthEngine engine) =>
        context.Items[typeof(ShownSecrets)] = engine.Shown;

    /// <summary>Says which run a request is about: its secrets count too, and the log names it.</summary>
    public static void About(HttpContext context, RunView run)
    {
        context.Items[typeof(RunView)] = run;
        RequestLog.About(context, run.Id);
    }

    /// <summary>The document of an answer as it may leave.</summary>
    public static byte[] Redact(HttpContext context, byte[] document) =>
        context.Items[typeof(ShownSecrets)] is not ShownSecrets shown
            ? document
            : Redact(document, context.Items[typeof(RunView)] is RunView run
                ? shown.RedactorOf(run.Id, run.Workflow)
                : shown.OfOperator());

    /// <summary>A document without what a redactor knows.</summary>
    public static byte[] Redact(byte[] document, Redactor redactor)
    {
        var copy = new ArrayBufferWriter<byte>(document.Length);
        using (var writer = new Utf8JsonWriter(copy, Writing))
        {
            Copy(document, writer, redactor);
        }

        return copy.WrittenSpan.ToArray();
    }

    /// <summary>A page of runs, each without the secrets that are its own.</summary>
    public static byte[] PageOf(RunPage page, ShownSecrets shown)
    {
        var copy = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(copy, Writing))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("runs");
            foreach (var run in page.Runs)
            {
                var bytes = JsonSerializer.SerializeToUtf8Bytes(run, RunJson.Plain.RunView);
                Copy(bytes, writer, shown.RedactorOf(run.Id, run.Workflow));
            }

            writer.WriteEndArray();
            writer.WriteString("next", page.Next);
            writer.WriteEndObject();
        }

        return copy.WrittenSpan.ToArray();
    }

    // What an agent wrote may hold half a character, which is no text to look through.
    private static string TextOf(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            return "\ufffd";
        }
    }

    private static void Copy(ReadOnlySpan<byte> document, Utf8JsonWriter writer, Redactor redactor)
    {
        var reader = new Utf8JsonReader(document);
        var isOurs = false;
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    var name = reader.GetString()!;
                    isOurs = Ours.Contains(name);

                    // The names of labels and variables are the caller's, and stand in an object of their own.
                    writer.WritePropertyName(name);
                    continue;
                case JsonTokenType.String:
                    var text = TextOf(ref reader);
                    writer.WriteStringValue(isOurs ? text : redactor.Redact(text));
                    break;
                case JsonTokenType.StartObject:
                    writer.WriteStartObject();
                    break;
                case JsonTokenType.EndObject:
                    writer.WriteEndObject();
                    break;
                case JsonTokenType.StartArray:
                    writer.WriteStartArray();
                    break;
                case JsonTokenType.EndArray:
                    writer.WriteEndArray();
                    break;
                default:
                    writer.WriteRawValue(reader.ValueSpan, skipInputValidation: true);
                    break;
            }

            isOurs = false;
        }
    }
}
