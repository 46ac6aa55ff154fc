using System.Text;
using Berth.Engine.Processes;
using Xunit;

namespace Berth.Tests.Processes;

public sealed class ProcessRunnerTests
{
    private static readonly Dictionary<string, string> Path = new(
        StringComparer.Ordinal) { ["PATH"] = "/usr/bin:/bin" };
    private readonly ProcessRunner runner = new(TimeProvider.System);

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Input_with_nul_bytes_arrives_and_output_is_kept_up_to_its_bound()
    {
        byte[] input = [.. Enumerable.Range(0, 300_000).Select(i => (byte)i)];

        var whole = await runner.RunAsync(Shell("cat") with { Input = input }, Soon);
        var bounded = await runner.RunAsync(Shell("cat; echo x >&2") with { Input = input, MaxOutputBytes = 10 }, Soon);

        Assert.True(whole.Succeeded);
        Assert.Equal(input, whole.Output.ToArray());
        Assert.Equal((true, 10, "x\n"), (bounded.OutputTruncated, bounded.Output.Length, bounded.Error));
        Assert.True(bounded.Succeeded);
    }

    [Fact]
    public async Task Exit_codes_signals_and_programs_that_cannot_start_are_values()
    {
        Assert.Equal(7, (await runner.RunAsync(Shell("exit 7"), Soon)).ExitCode);
        Assert.Equal(9, (await runner.RunAsync(Shell("kill -9 $$"), Soon)).Signal);
        Assert.Equal(
            ProcessEnd.NotStarted, (await runner.RunAsync(Shell("") with { FileName = "/no/such" }, Soon)).End);
        Assert.Equal(ProcessEnd.NotStarted, (await runner.RunAsync(Shell("a\0b"), Soon)).End);
    }

    [Fact]
    public async Task Its_time_limit_ends_a_program_that_ignores_sigterm_and_what_it_started()
    {
        var result = await runner.RunAsync(
            Shell("trap '' TERM; sleep 600 & echo $!; wait; sleep 600") with
            {
                // Long enough for the shell to have set its trap, on a loaded machine too.
                Timeout = TimeSpan.FromSeconds(4),
                TermGrace = TimeSpan.FromMilliseconds(100),
            },
            Soon);

        Assert.Equal((ProcessEnd.TimedOut, 9), (result.End, result.Signal));
        var grandchild = Encoding.ASCII.GetString(result.Output.Span).Trim();
        Assert.True(await GoneAsync($"/proc/{grandchild}"));
    }

    [Fact]
    public async Task Cancelling_asks_first()
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Soon);
        var ready = System.IO.Path.Combine(Directory.CreateTempSubdirectory("berth-ready-").FullName, "ready");
        var running = runner.RunAsync(
            Shell($"trap 'echo asked; exit 3' TERM; mkdir {ready}; while :; do sleep 0.05; done") with
            {
                TermGrace = TimeSpan.FromSeconds(60),
            },
            cancel.Token);
        Assert.False(await GoneAsync(ready, whileThere: false));
        await cancel.CancelAsync();

        var result = await running.WaitAsync(TimeSpan.FromSeconds(60), Soon);
        Directory.Delete(System.IO.Path.GetDirectoryName(ready)!, recursive: true);
        var never = await runner.RunAsync(Shell("true"), cancel.Token);

        Assert.Equal((ProcessEnd.Cancelled, 3, "asked\n"), (
            result.End, result.ExitCode, Encoding.ASCII.GetString(result.Output.Span)));
        Assert.Equal((ProcessEnd.Cancelled, null), (never.End, never.ExitCode));
    }

    [Fact]
    public async Task A_grandchild_that_holds_the_pipe_does_not_keep_the_result()
    {
        var result = await runner.RunAsync(
            Shell("sleep 60 & echo $!") with { DrainGrace = TimeSpan.FromMilliseconds(100) }, Soon);

        Assert.True(result.Succeeded);
        Assert.True(result.Duration < TimeSpan.FromSeconds(20));
        await runner.RunAsync(Shell($"kill {Encoding.ASCII.GetString(result.Output.Span)}"), Soon);
    }

    [Fact]
    public async Task Output_is_whole_however_late_its_reader_comes()
    {
        for (var i = 0; i < 100; i++)
        {
            var result = await runner.RunAsync(Shell("printf hello") with { DrainGrace = TimeSpan.Zero }, Soon);

            Assert.Equal("hello", Encoding.UTF8.GetString(result.Output.Span));
        }
    }

    [Fact]
    public async Task A_stream_gets_the_output_and_a_full_or_broken_one_ends_the_program()
    {
        using var sink = new MemoryStream();
        var streamed = await runner.RunAsync(Shell("echo hello") with { OutputStream = sink }, Soon);
        var full = await runner.RunAsync(
            Shell("yes") with { OutputStream = Stream.Null, MaxOutputBytes = 100_000 }, Soon);
        var broken = await runner.RunAsync(Shell("yes") with { OutputStream = new Broken() }, Soon);

        Assert.Equal("hello\n", Encoding.ASCII.GetString(sink.ToArray()));
        Assert.Equal((ProcessEnd.Exited, 0), (streamed.End, streamed.Output.Length));
        Assert.Equal((ProcessEnd.OutputLimit, ProcessEnd.OutputLimit), (full.End, broken.End));
    }

    private static ProcessRequest Shell(string script) => new()
    {
        FileName = "/bin/sh",
        Arguments = ["-c", script],
        Environment = Path,
        Timeout = TimeSpan.FromSeconds(60),
    };

    // Waits for a folder to go, or to come.
    private static async Task<bool> GoneAsync(string folder, bool whileThere = true)
    {
        for (var look = 0; look < 3000 && Directory.Exists(folder) == whileThere; look++)
        {
            await Task.Delay(10, Soon);
        }

        return !Directory.Exists(folder);
    }

    private sealed class Broken : MemoryStream
    {
        public override ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("Nobody reads.");
    }
}
