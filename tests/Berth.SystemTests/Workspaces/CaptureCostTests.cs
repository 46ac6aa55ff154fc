using System.Diagnostics;
using System.Globalization;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Berth.Supervisor;
using Xunit;

namespace Berth.SystemTests.Workspaces;

/// <summary>What capture costs where there is nothing unusual: each git command is a process in a sandbox of its
/// own.</summary>
public sealed class CaptureCostTests
{
    private const string Commit = "git -c user.name=a -c user.email=a@b commit -qm one";
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);
    private static readonly string[] Sandbox =
        ["/usr/bin/bwrap", "--unshare-user", "--unshare-pid", "--dev-bind", "/", "/", "--proc", "/proc", "--"];

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("echo work > new.txt", 7)]
    [InlineData("true", 2)]
    [InlineData($"echo work > new.txt; git add .; {Commit}", 5)]
    public async Task F75_Taking_stock_costs_few_commands_where_there_is_nothing_unusual(string script, int most)
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        await File.WriteAllTextAsync(Path.Combine(repository, ".gitignore"), "build/\n", Soon);
        await place.CommitAsync(repository, "Ignore");
        var log = Path.Combine(Path.GetDirectoryName(repository)!, "git-commands");
        var git = Path.Combine(Path.GetDirectoryName(repository)!, "counted-git");
        await File.WriteAllTextAsync(git, $"#!/bin/sh\necho \"$@\" >> '{log}'\nexec /usr/bin/git \"$@\"\n", Soon);
        File.SetUnixFileMode(git, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var workspaces = place.Workspaces();
        var prepared = await workspaces.PrepareAsync(place.Request(repository), Soon);
        var since = DateTimeOffset.UtcNow;
        await ActAsync(place, prepared.Path, $"mkdir build; echo x > build/out; {script}");
        Directory.CreateDirectory(prepared.Run.RunDirectory.CaptureFolder);
        var began = Stopwatch.GetTimestamp();
        var capture = Capture(place, prepared, git, since);
        var took = Stopwatch.GetElapsedTime(began);

        var commands = await File.ReadAllLinesAsync(log, Soon);
        var story = string.Create(
            CultureInfo.InvariantCulture,
            $"{commands.Length} commands, {took.TotalMilliseconds:0} ms\n{string.Join('\n', commands.Select(Named))}");
        TestContext.Current.TestOutputHelper?.WriteLine(story);
        Assert.Null(capture.Failure);
        Assert.Equal(
            script is "true" ? CaptureState.Unchanged : CaptureState.Bundled, capture.State);
        Assert.True(commands.Length <= most, story);
    }

    // Without the settings, which are the same for each.
    private static string Named(string command) =>
        command[(command.LastIndexOf("-c ", StringComparison.Ordinal) + 3)..];

    private static CaptureRecord Capture(
        GitPlayground place, PreparedWorkspace prepared, string git, DateTimeOffset since)
    {
        var step = new CaptureStep
        {
            Prefix = Sandbox,
            Environment = new Dictionary<string, string>(place.Environment, StringComparer.Ordinal)
            {
                ["GIT_CONFIG_GLOBAL"] = "/dev/null",
            },
            Git = git,
            Workspace = prepared.Path,
            Bundle = prepared.Run.RunDirectory.BundleFile,
            BaseCommit = prepared.BaseCommit,
            BorrowedObjects = prepared.MirrorObjects,
            Message = "The work",
            AuthorName = "Berth",
            AuthorEmail = "berth@example.org",
            TimeLimit = Bound,
        };
        var processes = new RunProcesses(new CgroupMembership([], []), user: null, FilterWay.None, TimeProvider.System);
        return new WorkCapture(
            step, prepared.Run.RunDirectory, processes, TimeProvider.System, new Redactor([]),
            new CaptureBounds(since, () => false))
        {
            // This process has other children.
            EndOthers = () => { },
        }.Run(_ => { });
    }

    private static async Task ActAsync(GitPlayground place, string workspace, string script)
    {
        using var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/bin/sh", Arguments = ["-c", script], Environment = place.Environment,
            WorkingDirectory = workspace,
        });
        await child.Exit.WaitAsync(Bound, Soon);
    }
}
