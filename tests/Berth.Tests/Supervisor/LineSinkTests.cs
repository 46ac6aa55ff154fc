using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Berth.Supervisor;
using Xunit;

namespace Berth.Tests.Supervisor;

public sealed class LineSinkTests : IDisposable
{
    private readonly TemporaryRun run = new();
    private readonly List<bool> lines = [];
    private long dropped;

    public void Dispose() => run.Dispose();

    [Fact]
    public void Lines_are_the_same_however_they_were_read()
    {
        var text = Encoding.UTF8.GetBytes("{\"a\":\"é€😀\"}\n\nplain é\r\n{\"type\":\"result\"}\nno newline €");
        string[]? first = null;
        for (var size = 1; size <= text.Length; size += 3)
        {
            File.Delete(run.Directory.JournalFile);
            Feed(new ExecutionLimits(), Redactor.None, text.Chunk(size));
            var data = run.Entries().Select(entry => entry.Data.GetRawText()).ToArray();
            Assert.Equal(first ??= data, data);
        }

        Assert.Equal(["{\"a\":\"é€😀\"}", "\"\"", "\"plain é\\r\"", "{\"type\":\"result\"}", "\"no newline €\""],
            first!);
        Assert.Equal([false, false, false, true, false], lines.TakeLast(5));
    }

    [Fact]
    public void A_line_of_just_the_limit_is_whole_and_a_longer_one_comes_in_parts()
    {
        var limits = new ExecutionLimits { LineBytes = 100 };
        Feed(limits, Redactor.None, [Encoding.UTF8.GetBytes(new string('a', 100) + "\n" + new string('b', 250)
            + "\nend\n")]);
        var entries = run.Entries();
        Assert.Equal(100, entries[0].Data.GetString()!.Length);
        Assert.False(entries[0].More);
        Assert.True(entries[1].More);
        Assert.Equal(new string('b', 250), Joined(entries.Skip(1).SkipLast(1)));
        Assert.False(entries[^2].More);
        Assert.Equal("end", entries[^1].Data.GetString());
    }

    [Fact]
    public void A_secret_is_redacted_wherever_reads_and_parts_cut_it()
    {
        const string Secret = "s3cr3t-é-v@lue";
        var redactor = new Redactor([Secret]);
        var limits = new ExecutionLimits { LineBytes = 64, SpillBytes = 200 };
        for (var before = 0; before < 300; before += 7)
        {
            File.Delete(run.Directory.JournalFile);
            if (Directory.Exists(run.Directory.SpillFolder))
            {
                Directory.Delete(run.Directory.SpillFolder, recursive: true);
            }

            var line = new string('x', before) + Secret + new string('y', 300 - before);
            Feed(limits, redactor, Encoding.UTF8.GetBytes(line + "\n").Chunk(5));
            var expected = line.Replace(Secret, "***", StringComparison.Ordinal);
            Assert.Equal(expected, Joined(run.Entries()));
        }
    }

    [Fact]
    public void What_a_line_has_beyond_the_spill_limit_is_in_a_file()
    {
        var limits = new ExecutionLimits { LineBytes = 100, SpillBytes = 300 };
        var line = string.Concat(Enumerable.Range(0, 400).Select(value => (char)('é' + (value % 20))));
        Feed(limits, Redactor.None, Encoding.UTF8.GetBytes(line + "\n").Chunk(64));
        var last = run.Entries()[^1];
        Assert.Equal("stdout-1.txt", last.Spill);
        Assert.False(last.More);
        Assert.Equal(line, Joined(run.Entries()));
        Assert.True(new FileInfo(Path.Combine(run.Directory.SpillFolder, last.Spill!)).Length > 400);
    }

    [Fact]
    public void Past_the_cap_only_the_result_is_kept()
    {
        var limits = new ExecutionLimits { JournalBytes = 3000 };
        var text = string.Concat(Enumerable.Repeat("{\"type\":\"assistant\",\"text\":\"some words\"}\n", 100));
        Feed(limits, Redactor.None, [Encoding.UTF8.GetBytes(text
            + "{\"is_error\":false,\"type\":\"result\"}\nlate\n")]);
        var entries = run.Entries();
        Assert.Single(entries, entry => IsType(entry, BerthEvents.JournalFull));
        Assert.True(IsType(entries[^1], "result"));
        Assert.True(dropped > 1000);
        Assert.Equal(Enumerable.Range(1, entries.Count).Select(seq => (long)seq), entries.Select(entry => entry.Seq));
    }

    [Fact]
    public void Past_the_cap_a_long_result_is_kept_and_another_long_line_is_not()
    {
        var limits = new ExecutionLimits { LineBytes = 200, SpillBytes = 1000, JournalBytes = 1500 };
        var filler = string.Concat(Enumerable.Repeat("some words\n", 60));
        var other = "{\"text\":\"" + new string('n', 2000) + "\",\"type\":\"assistant\"}\n";
        var result = "{\"result\":\"" + new string('r', 2000) + "\",\"type\":\"result\"}\n";
        Feed(limits, Redactor.None, Encoding.UTF8.GetBytes(filler + other + result).Chunk(77));
        var last = run.Entries()[^1];
        Assert.NotNull(last.Spill);
        Assert.Equal(result.TrimEnd('\n'), Joined([last]));
        Assert.Single(Directory.GetFiles(run.Directory.SpillFolder));
        Assert.True(lines[^1]);
    }

    [Fact]
    public void A_line_that_meets_the_cap_in_its_middle_still_has_an_end()
    {
        var limits = new ExecutionLimits { LineBytes = 100, SpillBytes = 100_000, JournalBytes = 1000 };
        Feed(limits, Redactor.None, [Encoding.UTF8.GetBytes(new string('m', 5000) + "\n{\"type\":\"result\"}\n")]);
        var entries = run.Entries().Where(entry =>
            string.Equals(entry.Stream, JournalEntry.Stdout, StringComparison.Ordinal)).ToList();
        Assert.False(entries[^2].More);
        Assert.True(entries[^3].More);
        Assert.True(IsType(entries[^1], "result"));
    }

    [Fact]
    public void Random_bytes_never_throw_and_every_entry_is_valid()
    {
        var bytes = Noise.Bytes(3, 200_000);
        Feed(new ExecutionLimits { LineBytes = 128, SpillBytes = 512 }, new Redactor(["abcdefgh"]), bytes.Chunk(1000));
        var entries = run.Entries();
        Assert.Equal(Enumerable.Range(1, entries.Count).Select(seq => (long)seq), entries.Select(entry => entry.Seq));
    }

    private static bool IsType(JournalEntry entry, string type) =>
        entry.Data.ValueKind == JsonValueKind.Object && entry.Data.GetProperty("type").ValueEquals(type);

    private string Joined(IEnumerable<JournalEntry> entries) => string.Concat(entries.Select(entry =>
        entry.Data.GetString() + (entry.Spill is null ? ""
            : File.ReadAllText(Path.Combine(run.Directory.SpillFolder, entry.Spill)))));

    private sealed class Listener(List<bool> lines) : ILineListener
    {
        public void LongLineBegins(ReadOnlySpan<byte> beginning) => Assert.NotEqual(0, beginning.Length);

        public void LineEnded(ReadOnlySpan<byte> line, bool isResult) => lines.Add(isResult);
    }

    private void Feed(ExecutionLimits limits, Redactor redactor, IEnumerable<byte[]> chunks)
    {
        using var writer = JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System, redactor);
        var journal = new RunJournal(writer, run.Directory, limits);
        var sink = new LineSink(JournalEntry.Stdout, journal, redactor, limits, new Listener(lines));
        foreach (var chunk in chunks)
        {
            sink.Take(chunk);
        }

        sink.Complete();
        dropped = journal.DroppedBytes;
    }
}
