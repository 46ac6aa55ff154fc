using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Protocol;

public sealed class JournalWriterTests : IDisposable
{
    private readonly TemporaryRun run = new();

    public void Dispose() => run.Dispose();

    [Fact]
    public void The_checksum_of_a_journal_is_that_of_ieee_802_3() =>
        Assert.Equal(0xCBF43926u, Crc32.HashToUInt32("123456789"u8));

    [Fact]
    public void Numbers_go_on_when_the_next_writer_opens_the_journal()
    {
        using (var first = Open())
        {
            first.AppendEvent(BerthEvents.Phase, data => data.WriteString("phase", "prepare"));
            first.AppendEvent(BerthEvents.Phase);
        }

        using (var second = Open())
        {
            Assert.Equal(2, second.LastSeq);
            Assert.True(second.AppendLine(JournalEntry.Stdout, "hello"u8));
        }

        Assert.Equal([1, 2, 3], run.Entries().Select(entry => entry.Seq));
        Assert.Equal("hello", run.Entries()[2].Data.GetString());
        Assert.Equal("prepare", run.Entries()[0].Data.GetProperty("phase").GetString());
    }

    [Theory]
    [InlineData("{\"seq\":3,\"at\":\"20")]
    [InlineData("\0\0\0\0\0\0\n")]
    [InlineData("\0\0\0\0\n\0\0\0\0\n{\"seq\":9")]
    public void A_torn_end_is_repaired(string torn)
    {
        using (var first = Open())
        {
            first.AppendEvent("one");
            first.AppendEvent("two");
        }

        File.AppendAllText(run.Directory.JournalFile, torn);
        using (var second = Open(checksum: true))
        {
            second.AppendEvent("three");
            Assert.Equal(new FileInfo(run.Directory.JournalFile).Length, second.Bytes);
            Assert.Equal(Crc32.HashToUInt32(File.ReadAllBytes(run.Directory.JournalFile)), second.Crc);
        }

        Assert.Equal([1, 2, 3], run.Entries().Select(entry => entry.Seq));
    }

    [Fact]
    public void A_last_line_longer_than_any_window_is_found()
    {
        using (var first = Open())
        {
            first.AppendEvent("one");
            Assert.True(first.AppendLine(JournalEntry.Stdout, Encoding.UTF8.GetBytes(new string('x', 900_000))));
        }

        File.AppendAllText(run.Directory.JournalFile, new string('y', 300_000));
        using var second = Open();
        Assert.Equal(2, second.LastSeq);
    }

    [Fact]
    public void A_file_that_is_nothing_but_a_torn_line_is_begun_anew()
    {
        File.WriteAllText(run.Directory.JournalFile, new string('z', 100_000));
        using (var writer = Open())
        {
            writer.AppendEvent("one");
        }

        Assert.Single(run.Entries());
    }

    [Fact]
    public void A_second_writer_is_refused()
    {
        using var first = Open();
        var refused = Assert.Throws<FailureException>(() =>
            JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System));
        Assert.Equal("journal_busy", refused.Failure.Code);
    }

    [Fact]
    public void Json_is_embedded_and_anything_else_is_a_string()
    {
        using (var writer = Open(redactor: new Redactor(["topsecret"])))
        {
            Assert.True(writer.AppendLine(JournalEntry.Stdout, " {\"type\":\"x\",\"v\":\"topsecret\"}\r"u8));
            Assert.True(writer.AppendLine(JournalEntry.Stdout, "\"only text\""u8));
            Assert.True(writer.AppendLine(JournalEntry.Stderr, [(byte)'a', 0, 0xFF, (byte)'b']));
            Assert.True(writer.AppendLine(JournalEntry.Stdout, "{\"half\":\"\\ud83d\"}"u8));
            Assert.True(writer.AppendLine(JournalEntry.Stdout, ""u8));
        }

        var entries = run.Entries();
        Assert.Equal("***", entries[0].Data.GetProperty("v").GetString());
        Assert.Equal("\"only text\"", entries[1].Data.GetString());
        Assert.Equal("a\0\uFFFDb", entries[2].Data.GetString());
        Assert.Equal("\uFFFD", entries[3].Data.GetProperty("half").GetString());
        Assert.Equal("", entries[4].Data.GetString());
        Assert.Equal(JournalEntry.Stderr, entries[2].Stream);
    }

    [Fact]
    public void A_writer_that_was_closed_takes_nothing_more()
    {
        var writer = Open();
        writer.AppendEvent("one");
        writer.Dispose();
        Assert.False(writer.AppendLine(JournalEntry.Stdout, "late"u8));
        writer.Retry();
        writer.Flush();
        Assert.Single(run.Entries());
    }

    [Fact]
    public void The_file_is_its_owners_only()
    {
        using var writer = Open();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(run.Directory.JournalFile));
    }

    [Fact]
    public void Deeply_nested_data_can_be_read_back()
    {
        var deep = string.Concat(Enumerable.Repeat("[", JournalEntry.MaxDataDepth - 1))
            + string.Concat(Enumerable.Repeat("]", JournalEntry.MaxDataDepth - 1));
        using (var writer = Open())
        {
            Assert.True(writer.AppendLine(JournalEntry.Stdout, Encoding.UTF8.GetBytes(deep)));
        }

        Assert.Equal(JsonValueKind.Array, run.Entries()[0].Data.ValueKind);
        using var again = Open();
        Assert.Equal(1, again.LastSeq);
    }

    private JournalWriter Open(Redactor? redactor = null, bool checksum = false) =>
        JournalWriter.Open(run.Directory.JournalFile, TimeProvider.System, redactor, checksum);
}
