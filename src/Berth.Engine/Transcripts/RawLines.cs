using System.Text;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Transcripts;

/// <summary>
/// Writes the lines of the agent's standard output as it printed them, whatever parts the journal holds them in.
/// </summary>
internal sealed class RawLines(RunDirectory folder, Stream output)
{
    private static readonly byte[] LineEnd = "\n"u8.ToArray();

    /// <summary>Writes an entry's part of a line.</summary>
    public async Task WriteAsync(JournalEntry entry, CancellationToken cancel)
    {
        if (entry.Stream is not JournalEntry.Stdout)
        {
            return;
        }

        var text = entry.Data.ValueKind == JsonValueKind.String ? entry.Data.GetString()! : entry.Data.GetRawText();
        var isWhole = !entry.More && entry.Spill is null;
        await output.WriteAsync(Encoding.UTF8.GetBytes(isWhole ? text + "\n" : text), cancel);
        if (isWhole || entry.More)
        {
            return;
        }

        // The name is from a file that only we write, but it is used as a path: nothing but a plain name is followed.
        var spill = Path.Combine(folder.SpillFolder, Path.GetFileName(entry.Spill!));
        if (File.Exists(spill))
        {
            await using var rest = new FileStream(spill, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            await rest.CopyToAsync(output, cancel);
        }

        await output.WriteAsync(LineEnd, cancel);
    }
}
