using System.Text;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>FAULTS E 38: a supervisor's memory is bounded whatever the agent prints, and the result is never
/// lost.</summary>
public sealed class OutputTests : IDisposable
{
    private const long MemoryBound = 150L * 1024 * 1024;
    private readonly SupervisedFixture run = new();

    public void Dispose() => run.Dispose();

    [Fact]
    public async Task A_gibibyte_of_output_costs_the_journals_cap_and_little_memory()
    {
        const long Flood = 1024L * 1024 * 1024;
        run.Limits = run.Limits with { JournalBytes = 32 * 1024 * 1024 };
        run.StartFake($"!flood {Flood}\n!flood-err 1000000");
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.Exited, 0), (exit.Cause, exit.ExitCode));
        Assert.True(exit.OutputBytes > Flood);
        Assert.True(exit.DroppedBytes > Flood - (40 * 1024 * 1024));
        Assert.True(exit.JournalBytes < 34 * 1024 * 1024);
        Assert.True(exit.SupervisorPeakBytes < MemoryBound, $"The supervisor took {exit.SupervisorPeakBytes} bytes.");
        Assert.True(SupervisedFixture.IsType(run.Entries()[^2], "result"));
        Assert.Single(run.Entries(), entry => SupervisedFixture.IsType(entry, BerthEvents.JournalFull));
    }

    [Theory]
    [InlineData("json")]
    [InlineData("result")]
    public async Task A_line_of_fifty_mebibytes_is_kept_whole(string kind)
    {
        run.StartFake($"!long-line 52428800 {kind}");
        var exit = await run.EndAsync();
        Assert.Equal(0, exit.ExitCode);
        Assert.True(exit.SupervisorPeakBytes < MemoryBound, $"The supervisor took {exit.SupervisorPeakBytes} bytes.");
        var reader = new JournalReader(TimeProvider.System);
        var token = TestContext.Current.CancellationToken;
        JournalEntry? found = null;
        var joined = JournalLineJoiner.JoinAsync(reader.ReadAsync(run.Directory, 0, null, token), run.Directory,
            JournalLineJoiner.LongestJoined, token);
        await foreach (var entry in joined)
        {
            found = SupervisedFixture.IsType(entry, kind is "json" ? "assistant" : "result") ? entry : found;
        }

        var text = found!.Data.GetProperty(kind is "json" ? "text" : "result").GetString()!;
        Assert.Equal((52428800, 'y', 'y'), (text.Length, text[0], text[^1]));
    }

    [Fact]
    public async Task Bytes_of_any_kind_are_journalled_and_the_run_goes_on()
    {
        var bytes = Convert.ToHexString([0xFF, 0, (byte)'x', 0xC3, (byte)'\n', .. "{\"type\":\"a\",\"v\":\"\uFFFD"u8,
            0xE2, 0x82, .. "\"}\n"u8]);
        var half = Convert.ToHexString(Encoding.UTF8.GetBytes("half a €")[..^1]);
        run.StartFake($"!bytes {bytes}\n!bytes {half}\n!sleep 0.2\n!bytes AC0A");
        _ = await run.EndAsync();
        var entries = run.Entries().Where(entry => entry.Stream is JournalEntry.Stdout).ToList();
        Assert.Contains(entries, entry =>
            entry.Data.ValueKind == System.Text.Json.JsonValueKind.String && entry.Data.ValueEquals("\uFFFD\0x\uFFFD"));
        Assert.Contains(entries, entry =>
            SupervisedFixture.IsType(entry, "a") && entry.Data.GetProperty("v").ValueEquals("\uFFFD\uFFFD"));
        Assert.Contains(entries, entry =>
            entry.Data.ValueKind == System.Text.Json.JsonValueKind.String && entry.Data.ValueEquals("half a €"));
        Assert.True(run.Has("result"));
    }
}
