using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Berth.Protocol;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Berth.Server.Logs;

/// <summary>How the log is written: lines for people, or one JSON object a line.</summary>
/// <param name="asJson">Whether it is for programs.</param>
/// <param name="redactor">Takes out what the server itself must not show.</param>
/// <param name="time">The clock.</param>
internal sealed class LogFormatter(bool asJson, Redactor redactor, TimeProvider time) : ConsoleFormatter(FormatName)
{
    /// <summary>The name under which the console finds it.</summary>
    public const string FormatName = "berth";

    private const string Template = "{OriginalFormat}";

    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes one line.</summary>
    public override void Write<TState>(
        in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        var fields = FieldsOf(logEntry.State, scopeProvider);
        textWriter.Write(asJson
            ? Json(logEntry, message, fields)
            : Text(logEntry.LogLevel, message, fields, logEntry.Exception));
        textWriter.Write('\n');
    }

    // The line's own fields first; then the run, where the line itself does not say it. Of what surrounds it nothing
    // else counts: the web server puts the path as it was asked for there.
    private static Dictionary<string, object?> FieldsOf<TState>(TState state, IExternalScopeProvider? scopes)
    {
        var fields = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (name, value) in state as IEnumerable<KeyValuePair<string, object?>> ?? [])
        {
            if (name is { Length: > 0 } and not Template)
            {
                fields[char.ToLowerInvariant(name[0]) + name[1..]] = value;
            }
        }

        scopes?.ForEachScope(static (scope, all) => _ = scope is RunScope known && all.TryAdd("run", known.Id), fields);
        return fields;
    }

    private string Json<TState>(in LogEntry<TState> entry, string message, Dictionary<string, object?> fields)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, Plain))
        {
            json.WriteStartObject();
            json.WriteString("at", Now());
            json.WriteString("level", Word(entry.LogLevel));
            json.WriteNumber("event", entry.EventId.Id);
            json.WriteString("source", entry.Category);
            json.WriteString("message", message);
            foreach (var (name, value) in fields)
            {
                Write(json, name, value);
            }

            if (entry.Exception is { } exception)
            {
                json.WriteString("exception", exception.ToString());
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(redactor.RedactLine(bytes.WrittenSpan, new ArrayBufferWriter<byte>()));
    }

    private static void Write(Utf8JsonWriter json, string name, object? value)
    {
        switch (value)
        {
            case int number:
                json.WriteNumber(name, number);
                break;
            case long number:
                json.WriteNumber(name, number);
                break;
            default:
                json.WriteString(name, Convert.ToString(value, CultureInfo.InvariantCulture));
                break;
        }
    }

    private string Text(
        LogLevel level, string message, Dictionary<string, object?> fields, Exception? exception)
    {
        var text = $"{Now()[..19]}Z {Word(level)}: {message}";
        if (fields.GetValueOrDefault("run") is string run && !message.Contains(run, StringComparison.Ordinal))
        {
            text += $" (run {run})";
        }

        text = redactor.Redact(exception is null ? text : $"{text} {exception}");

        // One line each, and nothing that a terminal would obey.
        return string.Concat(text.Select(letter => char.IsControl(letter) ? ' ' : letter));
    }

    private string Now() => time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Information => "info",
        LogLevel.Critical => "error",
        _ => level.ToString().ToLowerInvariant(),
    };
}
