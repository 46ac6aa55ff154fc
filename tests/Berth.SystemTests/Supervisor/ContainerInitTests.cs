using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>What the supervisor does in a container, tried without one: another user for the agent, and the run
/// directory by a descriptor.</summary>
public sealed class ContainerInitTests : IDisposable
{
    private static readonly ChildUser Agent = new(70_023, 70_023);
    private readonly SupervisedFixture run = new();

    public void Dispose() => run.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_agent_is_another_user_without_rights_and_the_files_are_the_owners(bool isAgentsOwn)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can be another user.");
        const UnixFileMode Open = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        run.Owner = isAgentsOwn ? Agent : new ChildUser(0, 0);
        run.User = Agent;
        run.Capture = new CaptureStep
        {
            Prefix = [],
            Environment = run.AgentEnvironment(),
            Root = "/",
            Git = "/usr/bin/git",
            Workspace = run.Directory.Workspace,
            Bundle = run.Directory.BundleFile,
            Message = "The work",
            AuthorName = "Berth Tests",
            AuthorEmail = "tests@berth",
        };
        Directory.CreateDirectory(run.Directory.CaptureFolder);
        Ownership.Give(run.Directory.Root, Agent);
        Ownership.Give(run.Directory.Workspace, Agent);
        File.SetUnixFileMode(run.Directory.Root, Open);

        run.Start(
            "/bin/sh",
            "-c",
            $"""
            id -u; id -G; grep -c '^Cap.*0000000000000000' /proc/self/status; stat -c %u {run.Directory.JournalFile}
            cat /proc/$PPID/environ 2>/dev/null | wc -c; kill -9 $PPID 2>/dev/null && echo killed
            git init -q . && echo work > work.txt
            """);
        var exit = await run.EndAsync();

        Assert.Equal(
            ["70023", "70023", "5", isAgentsOwn ? "70023" : "0", "0"],
            run.Entries().Where(entry => entry.Stream is JournalEntry.Stdout)
                .Select(entry => entry.Data.GetString()!),
            StringComparer.Ordinal);
        Assert.Equal((0, null), (exit.ExitCode, exit.StartFailure));
        Assert.Equal((CaptureState.Bundled, null), (exit.Capture?.State, exit.Capture?.Failure));
        Assert.True(File.Exists(run.Directory.BundleFile));
    }

    [Fact]
    public async Task Words_that_are_no_users_are_refused()
    {
        foreach (var words in new string[][] { ["/tmp", "a", "b"], ["/tmp", "1"], ["/tmp", "-1", "1"], ["relative"] })
        {
            using var supervisor = ChildProcess.Start(new ChildProcessStart
            {
                FileName = Path.Combine(AppContext.BaseDirectory, "berth-supervisor"),
                Arguments = words,
                Environment = run.AgentEnvironment(),
            });
            Assert.Equal(64, (await supervisor.Exit.WaitAsync(
                SupervisedFixture.Bound, TestContext.Current.CancellationToken)).Code);
        }
    }
}
