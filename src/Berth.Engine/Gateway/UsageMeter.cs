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
    private const int MaxWholeBytes = 32 * 1024 * 1024;
    private readonly ArrayBufferWriter<byte> pending = new();
    private bool overflow;
    private long input;
    private long output;

    /// <summary>The counts so far.</summary>
    public ModelUsage Usage => new(1, input, output);

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
            if (root.TryGetProperty("message", out var message))
            {
                root = message;
            }

            if (root.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
            {
                input = Math.Max(
                    input,
                    Sum(usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"));
                output = Math.Max(output, Sum(usage, "output_tokens"));
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

    private static long Sum(JsonElement usage, params ReadOnlySpan<string> names)
    {
        long sum = 0;
        foreach (var name in names)
        {
            if (usage.TryGetProperty(name, out var count)
                && count.ValueKind == JsonValueKind.Number
                && count.TryGetInt64(out var n))
            {
                sum += n;
            }
        }

        return sum;
    }
}
