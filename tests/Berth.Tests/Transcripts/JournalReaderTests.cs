using System.Text;
using System.Text.Json;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Transcripts;

public sealed class JournalReaderTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private readonly TemporaryRun run = new();
    private readonly JournalReader reader = new(TimeProvider.System);

    public void Dispose() => run.Dispose();

    [Fact]
    public async Task A_journal_that_is_not_there_yet_is_empty()
    {
        Assert.Empty(await ReadAsync(0));
    }

    [Fact]
    public async Task Reading_can_be_resumed_at_every_position()
    {
        WriteLines(50);
        for (var after = 0; after <= 51; after++)
        {
            var seqs = (await ReadAsync(after)).Select(entry => entry.Seq);
            Assert.Equal(Enumerable.Range(1, 50).Where(seq => seq > after).Select(seq => (long)seq), seqs);
        }
    }

    [Fact]
    public async Task A_torn_last_line_is_not_given_until_it_is_whole()
    {
        WriteLines(2);
        await File.AppendAllTextAsync(run.Directory.JournalFile, "{\"seq\":3,\"at\":\"2026-11-22T10:00:00Z\",", Token);
        Assert.Equal(2, (await ReadAsync(0)).Count);
        await File.AppendAllTextAsync(run.Directory.JournalFile, "\"stream\":\"stdout\",\"data\":\"x\"}\n", Token);
        Assert.Equal(3, (await ReadAsync(0)).Count);
    }

    [Fact]
    public async Task A_line_that_was_cut_off_and_written_anew_is_read_as_it_is_now()
    {
        WriteLines(1);
        var whole = new FileInfo(run.Directory.JournalFile).Length;
        await File.AppendAllTextAsync(run.Directory.JournalFile, "{\"seq\":2,\"at\":\"wrong and torn and lon", Token);
        var ended = false;
        var reading = CollectAsync(reader.ReadAsync(run.Directory, 0, () => ended, Token));
        await Task.Delay(TimeSpan.FromMilliseconds(60), Token);
        await using (var file = new FileStream(run.Directory.JournalFile, FileMode.Open, FileAccess.Write,
            FileShare.ReadWrite))
        {
            file.SetLength(whole);
            file.Seek(0, SeekOrigin.End);
            const string Right = """{"seq":2,"at":"2026-11-22T10:00:00Z","stream":"stdout","data":"right"}""";
            await file.WriteAsync(Encoding.UTF8.GetBytes(Right + "\n"), Token);
        }

        ended = true;
        var entries = await reading.WaitAsync(Bound, Token);
        Assert.Equal("right", entries[^1].Data.GetString());
    }

    [Fact]
    public async Task A_follower_gets_every_entry_once_and_ends_with_the_run()
    {
        var reading = CollectAsync(reader.ReadAsync(run.Directory, 3, () => false, Token));
        using (var writer = JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System))
        {
            for (var i = 0; i < 500; i++)
            {
                Assert.True(writer.AppendLine(JournalEntry.Stdout, Encoding.UTF8.GetBytes(new string('x', i * 10))));
                if (i % 100 == 0)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(5), Token);
                }
            }

            writer.AppendEvent(BerthEvents.RunFinished);
            writer.AppendEvent("too_late");
        }

        var entries = await reading.WaitAsync(Bound, Token);
        Assert.Equal(Enumerable.Range(4, 498).Select(seq => (long)seq), entries.Select(entry => entry.Seq));
    }

    [Fact]
    public async Task A_follower_of_a_run_that_died_reads_to_the_end()
    {
        WriteLines(5);
        var entries = await CollectAsync(reader.ReadAsync(run.Directory, 0, () => true, Token)).WaitAsync(Bound, Token);
        Assert.Equal(5, entries.Count);
    }

    [Fact]
    public async Task A_follower_can_be_cancelled()
    {
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => CollectAsync(reader.ReadAsync(run.Directory, 0, () => false, cancel.Token)).WaitAsync(Bound, Token));
    }

    [Fact]
    public async Task Lines_that_are_no_entries_are_passed_over()
    {
        WriteLines(1);
        await File.AppendAllTextAsync(run.Directory.JournalFile, "\0\0\0\nnot json\n", Token);
        Assert.Single(await ReadAsync(0));
    }

    [Fact]
    public async Task Parts_and_their_spill_are_joined_to_the_event_they_were()
    {
        var text = "{\"type\":\"assistant\",\"text\":\"" + new string('é', 1000) + "\"}";
        var bytes = Encoding.UTF8.GetBytes(text);
        Directory.CreateDirectory(run.Directory.SpillFolder);
        await File.WriteAllBytesAsync(Path.Combine(run.Directory.SpillFolder, "stdout-1.txt"), bytes[500..], Token);
        using (var writer = JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System))
        {
            Assert.True(writer.AppendPart(JournalEntry.Stdout, bytes.AsSpan(0, 300), more: true));
            Assert.True(writer.AppendLine(JournalEntry.Stderr, "between"u8));
            Assert.True(writer.AppendPart(JournalEntry.Stdout, bytes.AsSpan(300, 200), more: true));
            Assert.True(writer.AppendPart(JournalEntry.Stdout, ""u8, more: false, "stdout-1.txt"));
            Assert.True(writer.AppendLine(JournalEntry.Stdout, "{\"type\":\"result\"}"u8));
        }

        var joined = await JoinAsync(JournalLineJoiner.LongestJoined);
        Assert.Equal("between", joined[0].Data.GetString());
        Assert.Equal(new string('é', 1000), joined[1].Data.GetProperty("text").GetString());
        Assert.Null(joined[1].Spill);
        Assert.Equal([2, 4, 5], joined.Select(entry => entry.Seq));

        var bounded = await JoinAsync(400);
        Assert.Equal(JsonValueKind.String, bounded[1].Data.ValueKind);
        Assert.Equal("stdout-1.txt", bounded[1].Spill);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static async Task<List<JournalEntry>> CollectAsync(IAsyncEnumerable<JournalEntry> entries)
    {
        var all = new List<JournalEntry>();
        await foreach (var entry in entries)
        {
            all.Add(entry);
        }

        return all;
    }

    private Task<List<JournalEntry>> JoinAsync(int longest) => CollectAsync(
        JournalLineJoiner.JoinAsync(reader.ReadAsync(run.Directory, 0, null, Token), run.Directory, longest,
            Token)).WaitAsync(Bound, Token);

    private Task<List<JournalEntry>> ReadAsync(long after) =>
        CollectAsync(reader.ReadAsync(run.Directory, after, null, Token)).WaitAsync(Bound, Token);

    private void WriteLines(int count)
    {
        using var writer = JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System);
        for (var i = 0; i < count; i++)
        {
            Assert.True(writer.AppendLine(JournalEntry.Stdout,
                Encoding.UTF8.GetBytes($"{{\"type\":\"line\",\"i\":{i}}}")));
        }
    }
}
