using System.Text;
using Berth.Engine.Transcripts;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Transcripts;

public sealed class JournalCopyTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-copy-").FullName;

    private string Journal => Path.Combine(folder, "events.ndjson");

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Every_line_after_a_number_comes_once_in_order_and_as_it_is() => Prop.ForAll(
        ArbMap.Default.ArbFor<PositiveInt[]>(),
        ArbMap.Default.ArbFor<NonNegativeInt>(),
        (lengths, after) =>
        {
            var lines = lengths.Select((length, i) => Line(i + 1, Length(length.Get))).ToList();
            File.WriteAllText(Journal, string.Concat(lines.Select(line => line + "\n")) + "{\"seq\":999,\"torn");

            var seen = ReadAsync(after.Get, follow: false).GetAwaiter().GetResult();

            Assert.Equal(lines.Skip(after.Get), seen);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public async Task A_reader_that_follows_gets_what_is_written_later_and_ends_with_the_run()
    {
        var reading = ReadAsync(after: 1, follow: true);
        await File.AppendAllTextAsync(Journal, Line(1, 10) + "\n" + Line(2, 50_000)[..100], Soon);
        await File.AppendAllTextAsync(Journal, Line(2, 50_000)[100..] + "\n", Soon);
        await File.AppendAllTextAsync(Journal, End(3) + "\n" + Line(4, 10) + "\n", Soon);

        var seen = await reading.WaitAsync(TimeSpan.FromSeconds(60), Soon);

        Assert.Equal(Line(2, 50_000), seen[0]);
        Assert.Equal(End(3), seen[1]);
    }

    [Fact]
    public async Task Words_of_the_agent_that_look_like_the_end_are_not_the_end()
    {
        var forged = "{\"seq\":1,\"at\":\"2026-01-01T00:00:00Z\",\"stream\":\"stdout\","
            + "\"data\":{\"stream\":\"berth\",\"data\":{\"type\":\"run_finished\"}}}";
        await File.WriteAllTextAsync(Journal, forged + "\n", Soon);
        var reading = ReadAsync(after: 0, follow: true);
        await Task.Delay(TimeSpan.FromMilliseconds(200), Soon);
        Assert.False(reading.IsCompleted);
        await File.AppendAllTextAsync(Journal, End(2) + "\n", Soon);

        Assert.Equal([forged, End(2)], await reading.WaitAsync(TimeSpan.FromSeconds(60), Soon));
    }

    // Most lines are short, and some longer than any buffer.
    private static int Length(int size) => size % 7 == 0 ? size * 4000 : size;

    private static string Line(int seq, int length) => Entry(seq, "stdout", $"\"{new string('x', length)}\"");

    private static string End(int seq) => Entry(seq, "berth", "{\"type\":\"run_finished\"}");

    private static string Entry(int seq, string stream, string data) =>
        $"{{\"seq\":{seq},\"at\":\"2026-01-01T00:00:00Z\",\"stream\":\"{stream}\",\"data\":{data}}}";

    private async Task<List<string>> ReadAsync(long after, bool follow)
    {
        await using var feed = new JournalFeed(Journal, () => false, TimeProvider.System);
        var lines = new List<string>();
        var line = new StringBuilder();
        await foreach (var piece in JournalCopy.ReadAsync(feed, after, follow, more => new ValueTask(more), Soon))
        {
            Assert.Equal(piece.IsFirst, line.Length == 0);
            line.Append(Encoding.UTF8.GetString(piece.Bytes.Span));
            if (piece.IsLast)
            {
                lines.Add(line.ToString());
                line.Clear();
            }
        }

        return lines;
    }
}
