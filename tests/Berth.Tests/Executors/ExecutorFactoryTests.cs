using Berth.Engine.Docker;
using Berth.Engine.Executors;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Executors.Local;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class ExecutorFactoryTests
{
    private readonly ExecutorFactory factory = new(
        () => new LocalExecutor(
            new LocalExecutorOptions { RunsFolder = "/no/runs", SupervisorPath = "/no/supervisor" },
            new JournalReader(TimeProvider.System),
            TimeProvider.System),
        () => new DockerExecutor(
            new DockerExecutorOptions { RunsFolder = "/no/runs", SupervisorPath = "/no/supervisor", Image = "none" },
            new DockerClient(DockerEndpoint.Parse("unix:///no/docker.sock"), TimeProvider.System),
            new JournalReader(TimeProvider.System),
            TimeProvider.System),
        TimeProvider.System);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public void It_makes_the_one_that_was_named_and_says_why(string mode)
    {
        var choice = factory.CreateExecutor(mode, "--mode");

        Assert.Equal((mode, $"--mode says {mode}"), (choice.Mode, choice.Reason));
    }

    [Fact]
    public async Task Auto_is_local_where_Docker_cannot_be_used_and_says_so()
    {
        var policy = new ExecutionPolicy { Sandbox = SandboxKind.None };
        var bare = await factory.ChooseAsync(new ModeWish("auto", "the workflow"), policy, null, Ending);
        var boxed = await factory.ChooseAsync(
            new ModeWish("auto", "the workflow"), policy with { Sandbox = SandboxKind.Bubblewrap }, null, Ending);

        Assert.Equal(("local", SandboxKind.None), (bare.Choice.Mode, bare.Policy.Sandbox));
        Assert.Equal("the workflow says auto, and a run without a sandbox is a local one", bare.Choice.Reason);
        Assert.Equal(("local", SandboxKind.Bubblewrap), (boxed.Choice.Mode, boxed.Policy.Sandbox));
        Assert.StartsWith(
            "the workflow says auto, and Docker cannot be used: Docker was to be reached at unix:///no/docker.sock",
            boxed.Choice.Reason,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mode_that_was_named_is_not_left_for_another_one()
    {
        var policy = new ExecutionPolicy { Sandbox = SandboxKind.Bubblewrap };
        var chosen = await factory.ChooseAsync(new ModeWish("docker", "--mode"), policy, null, Ending);
        var refused = await Assert.ThrowsAsync<FailureException>(() => factory.ChooseAsync(
            new ModeWish("docker", "--mode"), policy with { Sandbox = SandboxKind.None }, null, Ending));

        Assert.Equal("docker", chosen.Choice.Mode);
        Assert.Equal("docker_unreachable", chosen.Probe.Failure!.Code);
        Assert.Equal("sandbox_needs_local", refused.Failure.Code);
    }

    [Fact]
    public async Task Where_LocalMode_is_off_no_run_is_local_whoever_asks()
    {
        var boxed = new ExecutionPolicy { Sandbox = SandboxKind.Bubblewrap };
        var bare = new ExecutionPolicy { Sandbox = SandboxKind.None };
        var auto = new ModeWish("auto", "CLAUDE_CODE_MODE") { LocalIsOff = true };
        var named = await RefusedAsync(new ModeWish("local", "the workflow") { LocalIsOff = true }, boxed);
        var unboxed = await RefusedAsync(auto, bare);
        var chosen = await factory.ChooseAsync(auto, boxed, null, Ending);

        Assert.Equal("local_mode_off", named.Code);
        Assert.StartsWith("the workflow says local, and no run may be local", named.Message, StringComparison.Ordinal);
        Assert.Contains("BERTH_LOCAL_MODE=on", named.Hint, StringComparison.Ordinal);
        Assert.Equal("local_mode_off", unboxed.Code);
        Assert.Equal(("docker", "CLAUDE_CODE_MODE says auto, and LocalMode is off"),
            (chosen.Choice.Mode, chosen.Choice.Reason));
        Assert.Equal("docker_unreachable", chosen.Probe.Failure!.Code);
    }

    [Theory]
    [InlineData("docker_unreachable", true)]
    [InlineData("image_missing", true)]
    [InlineData("cli_not_found", false)]
    public void Who_named_no_mode_is_told_how_to_do_without_Docker(string code, bool isTold)
    {
        var failure = new Failure(code, "What came back.", "Start the daemon.", Fault.Operator);
        var unsaid = new ModeWish("docker", "the default") { IsDefault = true };

        Assert.Equal(isTold, unsaid.Explained(failure).Hint.Contains("--mode local", StringComparison.Ordinal));
        Assert.StartsWith("Start the daemon.", unsaid.Explained(failure).Hint, StringComparison.Ordinal);
        Assert.Equal(failure, (unsaid with { LocalIsOff = true }).Explained(failure));
        Assert.Equal(failure, new ModeWish("docker", "--mode").Explained(failure));
    }

    [Theory]
    [InlineData("auto", "mode_unknown")]
    [InlineData("swarm", "mode_unknown")]
    [InlineData("", "mode_unknown")]
    public void A_mode_that_cannot_be_had_is_refused_by_name(string mode, string code)
    {
        var thrown = Assert.Throws<FailureException>(() => factory.CreateExecutor(mode, "CLAUDE_CODE_MODE"));

        Assert.Equal(code, thrown.Failure.Code);
        Assert.StartsWith("CLAUDE_CODE_MODE", thrown.Failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../etc")]
    [InlineData("A")]
    [InlineData("")]
    [InlineData("a/b")]
    public void A_run_id_that_is_none_is_refused(string runId)
    {
        var policy = new ExecutionPolicy { Sandbox = SandboxKind.None };
        var executor = factory.CreateExecutor("local", "test").Executor;

        var thrown = Assert.Throws<FailureException>(() => executor.LayOut(runId, policy, "/bin/true"));

        Assert.Equal("run_id_invalid", thrown.Failure.Code);
    }

    [Fact]
    public async Task Without_a_folder_of_runs_nothing_is_owned()
    {
        var executor = factory.CreateExecutor("local", "test").Executor;

        Assert.Empty(await executor.ListOwnedAsync(TestContext.Current.CancellationToken));
    }

    private async Task<Failure> RefusedAsync(ModeWish wish, ExecutionPolicy policy) =>
        (await Assert.ThrowsAsync<FailureException>(() => factory.ChooseAsync(wish, policy, null, Ending))).Failure;
}
