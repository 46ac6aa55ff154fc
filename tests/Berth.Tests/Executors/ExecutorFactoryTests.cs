using Berth.Engine.Executors;
using Berth.Engine.Executors.Local;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class ExecutorFactoryTests
{
    private readonly ExecutorFactory factory = new(() => new LocalExecutor(
        new LocalExecutorOptions { RunsFolder = "/no/runs", SupervisorPath = "/no/supervisor" },
        new JournalReader(TimeProvider.System),
        TimeProvider.System));

    [Theory]
    [InlineData("local", "--mode says local")]
    [InlineData("auto", "--mode says auto, and Docker mode is not available in this build")]
    public void It_chooses_and_says_why(string mode, string reason)
    {
        var choice = factory.CreateExecutor(mode, "--mode");

        Assert.Equal(("local", reason), (choice.Mode, choice.Reason));
    }

    [Theory]
    [InlineData("docker", "mode_not_available")]
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
}
