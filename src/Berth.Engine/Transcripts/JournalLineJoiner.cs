using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Transcripts;

/// <summary>Puts lines that the journal has in parts together again, for readers that want whole events.</summary>
internal static class JournalLineJoiner
{
    /// <summary>What of a line is put together at most. Default bound: more than the longest result that the
    /// supervisor keeps.</summary>
    internal const int LongestJoined = 96 * 1024 * 1024;

    /// <summary>Gives whole lines: no entry has <see cref="JournalEntry.More"/>, and <see cref="JournalEntry.Spill"/>
    /// only where it was cut.</summary>
    /// <remarks>
    /// A joined entry has the number and time of its last part. Where the whole is a JSON object or array it is given
    /// as that, else as a string. A line longer than the bound is given as the string of its beginning, with its
    /// spill file's name left in.
    /// </remarks>
    internal static async IAsyncEnumerable<JournalEntry> JoinAsync(
        IAsyncEnumerable<JournalEntry> entries, RunDirectory directory, int longest,
            [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var open = new Dictionary<string, ArrayBufferWriter<byte>>(StringComparer.Ordinal);
        await foreach (var entry in entries.WithCancellation(cancellationToken))
        {
            var begun = open.TryGetValue(entry.Stream, out var parts);
            if (!begun && !entry.More && entry.Spill is null)
            {
                yield return entry;
                continue;
            }

            parts ??= open[entry.Stream] = new ArrayBufferWriter<byte>();
            Append(parts, entry.Data, longest);
            if (entry.More)
            {
                continue;
            }

            open.Remove(entry.Stream);
            var whole = entry.Spill is null
                || await AppendSpillAsync(parts, directory, entry.Spill, longest, cancellationToken);
            yield return entry with
            {
                Data = ToData(parts.WrittenSpan), Spill = whole && parts.WrittenCount < longest ? null : entry.Spill,
            };
        }
    }

    private static void Append(ArrayBufferWriter<byte> parts, JsonElement data, int longest)
    {
        var text = data.ValueKind == JsonValueKind.String ? Encoding.UTF8.GetBytes(data.GetString()!)
            : Encoding.UTF8.GetBytes(data.GetRawText());
        parts.Write(text.AsSpan(0, Math.Min(text.Length, longest - parts.WrittenCount)));
    }

    /// <returns>Whether all of it was taken.</returns>
    private static async Task<bool> AppendSpillAsync(
        ArrayBufferWriter<byte> parts, RunDirectory directory, string name, int longest,
            CancellationToken cancellationToken)
    {
        const int Chunk = 64 * 1024;
        var path = Path.Combine(directory.SpillFolder, Path.GetFileName(name));
        if (!File.Exists(path))
        {
            return false;
        }

        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        for (long at = 0; ;)
        {
            var room = parts.GetMemory(Chunk)[..Chunk];
            var count = await RandomAccess.ReadAsync(file, room[..Math.Min(Chunk, longest - parts.WrittenCount)], at,
                cancellationToken);
            if (count == 0)
            {
                return at == RandomAccess.GetLength(file);
            }

            parts.Advance(count);
            at += count;
        }
    }

    private static JsonElement ToData(ReadOnlySpan<byte> line)
    {
        var json = AgentText.Trim(line);
        if (AgentText.IsJson(json))
        {
            var copy = json.ToArray();
            AgentText.MendSurrogates(copy);
            return JsonSerializer.Deserialize(copy, ProtocolJson.Default.JsonElement);
        }

        return JsonSerializer.SerializeToElement(Encoding.UTF8.GetString(line), ProtocolJson.Default.String);
    }
}
