using System.Buffers;
using System.Text.Json;

namespace Berth.Engine.Gateway;

/// <summary>Reads token counts out of an answer of the Messages API while it passes, streamed or whole.</summary>
/// <remarks>
/// In a stream the counts stand in <c>message_start</c> and, as running totals, in each <c>message_delta</c>:
/// https://docs.anthropic.com/en/api/messages-streaming. Events are one line of JSON each; only small ones hold counts,
/// so a line that grows beyond <see cref="MaxLineBytes"/> is passed over. An answer that is not streamed is one JSON
/// object.
/// </remarks>
internal sealed class UsageMeter(bool streamed)
{
    private const int MaxLineBytes = 1024 * 1024;
    private const int MaxWholeBytes = 8 * 1024 * 1024;

    // What a delta's event has beside its text, and how many bytes of text make a token: for answers that are cut off.
    private const int DeltaFrame = 100;
    private const int BytesOfToken = 4;

    private readonly ArrayBufferWriter<byte> pending = new();
    private bool overflow;
    private AnswerUsage told = new();
    private long passed;

    /// <summary>What was used so far. The output of an answer that was cut off before it told is reckoned by what has
    /// passed: whoever reads an answer and goes away before its end has had it all the same.</summary>
    public AnswerUsage Usage => told.IsWhole ? told : told with { Output = Math.Max(told.Output, passed) };

    /// <summary>Whether the answer has said anything of what it used.</summary>
    public bool HasCounts { get; private set; }

    /// <summary>Takes the next bytes.</summary>
    public void Read(ReadOnlySpan<byte> bytes)
    {
        if (!streamed)
        {
            Keep(bytes, MaxWholeBytes);
            return;
        }

        for (var end = bytes.IndexOf((byte)'\n'); end >= 0; end = bytes.IndexOf((byte)'\n'))
        {
            Keep(bytes[..end], MaxLineBytes);
            Take();
            bytes = bytes[(end + 1)..];
        }

        Keep(bytes, MaxLineBytes);
    }

    /// <summary>Takes what is left: the answer is complete.</summary>
    public void Complete() => Take();

    private void Keep(ReadOnlySpan<byte> bytes, int max)
    {
        overflow |= pending.WrittenCount + bytes.Length > max;
        if (!overflow)
        {
            pending.Write(bytes);
        }
    }

    private void Take()
    {
        var line = pending.WrittenSpan;
        if (line.StartsWith("data:"u8))
        {
            line = line["data:"u8.Length..];
        }

        if (line.IndexOf("_delta\""u8) >= 0)
        {
            passed += Math.Max(1, (line.Length - DeltaFrame) / BytesOfToken);
        }

        if (!overflow && line.IndexOf("\"usage\""u8) >= 0)
        {
            ReadCounts(line);
        }

        pending.ResetWrittenCount();
        overflow = false;
    }

    private void ReadCounts(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            using var document = JsonDocument.ParseValue(ref reader);
            var root = document.RootElement;
            var model = root.TryGetProperty("message", out var message) ? message : root;
            if (model.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
            {
                HasCounts = true;
                told = told.Joined(usage) with
                {
                    Model = TextOf(model, "model") ?? told.Model,
                    IsWhole = told.IsWhole || HasStopped(root),
                };
            }
        }
        catch (JsonException)
        {
            // Not ours to judge: the bytes are passed on as they are, and only the counts are missing.
        }
        catch (InvalidOperationException)
        {
            // The same for an answer that is JSON of another shape.
        }
    }

    // In a stream the reason to stop comes with the last counts; a whole answer has it beside them.
    private static bool HasStopped(JsonElement root) => TextOf(root, "stop_reason") is not null
        || (root.TryGetProperty("delta", out var delta) && TextOf(delta, "stop_reason") is not null);

    private static string? TextOf(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object
        && element.TryGetProperty(name, out var value)
        && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
