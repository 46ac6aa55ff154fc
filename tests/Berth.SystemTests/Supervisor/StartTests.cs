using System.Globalization;
using System.Text.Json;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>FAULTS A 11 and 18, and how the agent is started and fed.</summary>
public sealed class StartTests : IDisposable
{
    private readonly SupervisedFixture run = new();

    public void Dispose() => run.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Exit_codes_are_told_as_they_are(bool sandboxed)
    {
        _ = sandboxed ? run.InBubblewrap() : run;
        foreach (var code in (int[])[0, 1, 2, 125, 126, 127, 130, 143])
        {
            run.Forget();
            run.Start("/bin/sh", "-c", $"exit {code}");
            var exit = await run.EndAsync();
            Assert.True((exit.Cause, exit.ExitCode, exit.Signal) == (ExitCause.Exited, code, null), $"{code}: {exit}");
        }
    }

    [Theory]
    [InlineData(false, 9)]
    [InlineData(false, 15)]
    [InlineData(true, 9)]
    [InlineData(true, 11)]
    public async Task A_signal_is_told_as_a_signal_through_a_sandbox_too(bool sandboxed, int signal)
    {
        _ = sandboxed ? run.InBubblewrap() : run;
        run.Start("/bin/sh", "-c", $"kill -{signal} $$");
        var exit = await run.EndAsync();
        Assert.True((exit.ExitCode, exit.Signal) == (null, signal), $"{exit}");
    }

    [Theory]
    [InlineData(false, "missing", "agent_not_found")]
    [InlineData(false, "plain", "agent_not_executable")]
    [InlineData(false, "foreign", "agent_wrong_format")]
    [InlineData(true, "missing", "agent_not_found")]
    [InlineData(true, "plain", "agent_not_executable")]
    public async Task An_agent_that_cannot_be_started_is_named_with_its_path(bool sandboxed, string kind, string code)
    {
        _ = sandboxed ? run.InBubblewrap() : run;
        var path = Path.Combine(run.Directory.Workspace, kind);
        if (kind is not "missing")
        {
            await File.WriteAllTextAsync(path, "\u007fELF and nothing of use", TestContext.Current.CancellationToken);
        }

        if (kind is "foreign")
        {
            File.SetUnixFileMode(path, UnixFileMode.UserExecute | UnixFileMode.UserRead);
        }

        run.Start(path);
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.StartFailed, code), (exit.Cause, exit.StartFailure?.Code));
        Assert.Contains(path, exit.StartFailure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sandbox_that_cannot_be_set_up_is_told_from_an_agent_that_failed()
    {
        run.Prefix = ["/usr/bin/bwrap", "--ro-bind", "/nowhere-at-all", "/x", "--"];
        run.Start("/bin/true");
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.StartFailed, "sandbox_failed"), (exit.Cause, exit.StartFailure?.Code));
        Assert.Contains("/nowhere-at-all", exit.StartFailure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Children_have_the_default_sigpipe_and_three_descriptors()
    {
        run.Start("/bin/sh", "-c", "grep SigIgn /proc/self/status; ls /proc/self/fd | tr '\\n' ' '; echo");
        _ = await run.EndAsync();
        var said = run.Entries().Where(entry => entry.Stream is JournalEntry.Stdout).Select(entry =>
            entry.Data.GetString()!).ToList();
        const long PipeBit = 1L << (13 - 1);
        Assert.Equal(0, long.Parse(said[0].AsSpan(said[0].IndexOf('\t', StringComparison.Ordinal)),
            NumberStyles.HexNumber | NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture) & PipeBit);
        Assert.Equal("0 1 2 3", said[1].Trim());
    }

    [Fact]
    public async Task A_prompt_of_nine_megabytes_arrives_as_it_is()
    {
        var prompt = "!prompt\n" + new string('ö', 4_700_000);
        run.StartFake(prompt);
        _ = await run.EndAsync();
        var fact = run.Entries().Single(entry => SupervisedFixture.IsType(entry, "fake")).Data;
        Assert.Equal(9_400_008, fact.GetProperty("bytes").GetInt32());
        var hash = System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(prompt));
        Assert.Equal(Convert.ToHexStringLower(hash), fact.GetProperty("sha256").GetString());
    }

    [Fact]
    public async Task An_agent_that_never_reads_its_nine_megabytes_can_be_cancelled()
    {
        await File.WriteAllTextAsync(run.Directory.InputFile, new string('x', 9_000_000),
            TestContext.Current.CancellationToken);
        run.Start("/bin/sleep", "4716");
        await run.WaitForAsync(BerthEvents.AgentStarted);
        Assert.True((await run.CancelAsync()).Ok);
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.Cancelled, 15), (exit.Cause, exit.Signal));
        Assert.Equal(["term"], run.Stages());
    }

    [Fact]
    public async Task Secrets_reach_the_agent_and_no_file()
    {
        const string Secret = "tok\"en/with+all\\of it";
        run.Secrets = new RunSecrets
        {
            Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["TOKEN"] = Secret },
                Redact = [Secret],
        };
        run.StartFake(
            $"!env TOKEN\n!sh test \"$TOKEN\" = '{Secret}' && echo yes > proof\n!err again {Secret}");
        _ = await run.EndAsync();
        Assert.False(File.Exists(run.Directory.SecretsFile));
        Assert.Equal("yes\n", await File.ReadAllTextAsync(Path.Combine(run.Directory.Workspace, "proof"),
            TestContext.Current.CancellationToken));
        var journal = await File.ReadAllTextAsync(run.Directory.JournalFile, TestContext.Current.CancellationToken);
        Assert.DoesNotContain("with+all", journal, StringComparison.Ordinal);
        Assert.DoesNotContain("all\\\\of", journal, StringComparison.Ordinal);
        Assert.Contains("again ***", journal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_that_has_ended_is_not_run_again()
    {
        run.Start("/bin/true");
        _ = await run.EndAsync();
        var lines = run.Entries().Count;
        using var again = run.StartSupervisor();
        var exit = await again.Exit.WaitAsync(SupervisedFixture.Bound, TestContext.Current.CancellationToken);
        Assert.Equal(1, exit.Code);
        Assert.Contains("run_already_ended", run.SupervisorSays(), StringComparison.Ordinal);
        File.Delete(run.Directory.ExitFile);
        using var yetAgain = run.StartSupervisor();
        exit = await yetAgain.Exit.WaitAsync(SupervisedFixture.Bound, TestContext.Current.CancellationToken);
        Assert.Equal(1, exit.Code);
        Assert.Contains("run_already_started", run.SupervisorSays(), StringComparison.Ordinal);
        Assert.Equal(lines, run.Entries().Count);
    }

    [Fact]
    public async Task A_second_supervisor_of_a_live_run_is_refused_and_harms_nothing()
    {
        run.StartFake("!say working\n!hang");
        await run.WaitForAsync("assistant");
        using var second = run.StartSupervisor();
        var refused = await second.Exit.WaitAsync(SupervisedFixture.Bound, TestContext.Current.CancellationToken);
        Assert.Equal(1, refused.Code);
        Assert.Contains("journal_busy", run.SupervisorSays(), StringComparison.Ordinal);
        Assert.True((await run.CancelAsync()).Ok);
        Assert.Equal(ExitCause.Cancelled, (await run.EndAsync()).Cause);
    }

    [Fact]
    public async Task The_first_events_say_what_runs()
    {
        run.StartFake("!say hi");
        _ = await run.EndAsync();
        var entries = run.Entries();
        Assert.Equal("local", entries[0].Data.GetProperty("facts").GetProperty("mode").GetString());
        Assert.Equal("run_started", entries[0].Data.GetProperty("type").GetString());
        Assert.Equal(Enumerable.Range(1, entries.Count).Select(seq => (long)seq), entries.Select(entry => entry.Seq));
        var handle = JsonSerializer.Deserialize(await File.ReadAllBytesAsync(run.Directory.HandleFile,
            TestContext.Current.CancellationToken), ProtocolJson.Default.ExecutionHandle)!;
        Assert.Equal(run.Supervisor.Id, handle.Supervisor.Pid);
    }
}
