using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>A repository, a workspace that borrows from it, and an agent that is a shell script, captured by a real
/// supervisor.</summary>
internal sealed class CaptureStage : IDisposable
{
    private const string Identity =
        "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; ";

    private string? baseCommit;

    internal SupervisedFixture Run { get; } = new();

    internal string Origin => Path.Combine(Run.Directory.Root, "origin");

    public void Dispose()
    {
        // A folder of mode 000 is none that this test could remove as an ordinary user.
        Host("chmod", "-R", "u+rwX", Run.Directory.Root);
        Host("rm", "-rf", Run.Directory.Workspace);
        Run.Dispose();
    }

    /// <summary>Runs a script as the agent.</summary>
    /// <param name="script">What it does in the workspace.</param>
    /// <param name="sandboxed">Whether it and git are in bubblewrap.</param>
    /// <param name="before">What the repository has before it.</param>
    internal async Task<CaptureRecord> RunAsync(string script, bool sandboxed = false, string before = "true")
    {
        if (sandboxed)
        {
            Run.InBubblewrap();
        }

        Directory.CreateDirectory(Run.Directory.CaptureFolder);
        Host("git", "init", "-q", "-b", "main", Origin);
        Host(
            "sh", "-c", $"cd {Origin}; {Identity} echo 0 > first; git add .; git commit -qm zero; "
            + $"echo old > old.txt; echo kept > kept.txt; git add .; git commit -qm base; {before}");
        baseCommit = Git("rev-parse", "HEAD").Trim();
        Host("git", "clone", "-q", "--shared", "--template=", Origin, Run.Directory.Workspace);
        Run.Capture = new CaptureStep
        {
            Prefix = Run.Prefix,
            Wrappers = Run.Wrappers,
            Environment = Run.AgentEnvironment(),
            Git = "/usr/bin/git",
            Workspace = Run.Directory.Workspace,
            Bundle = Run.Directory.BundleFile,
            BaseCommit = baseCommit,
            BorrowedObjects = Path.Combine(Origin, ".git", "objects"),
            Message = "The work\n\nBerth-Run: testrun",
            AuthorName = "Berth Tests",
            AuthorEmail = "tests@berth",
            TimeLimit = TimeSpan.FromMinutes(2),
        };
        Run.Start("/bin/sh", "-c", Identity + "mkdir -p .git/info .git/hooks; " + script);
        var capture = (await Run.EndAsync()).Capture!;
        if (capture.State == CaptureState.Bundled)
        {
            Git("fetch", "-q", "--update-shallow", Run.Directory.BundleFile, "refs/berth/out/*:refs/berth/out/*");
            if (Git("bundle", "list-heads", Run.Directory.BundleFile).Contains(" HEAD\n", StringComparison.Ordinal))
            {
                Git("fetch", "-q", Run.Directory.BundleFile, "HEAD:refs/result");
            }
        }

        return capture;
    }

    /// <summary>A file of one of the refs beside HEAD.</summary>
    internal string Result(string where) => Git("show", $"refs/berth/out/{where}").Trim();

    /// <summary>All that the result has.</summary>
    internal string HeadTree() =>
        Git("for-each-ref", "refs/result").Length == 0 ? string.Empty : Git("ls-tree", "-r", "refs/result");

    internal string Git(params string[] arguments) => Host(["git", "-C", Origin, .. arguments]);

    private string Host(params string[] argv)
    {
        var output = Path.Combine(Run.Directory.Root, "host-output");
        File.Delete(output);
        using var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = $"/usr/bin/{argv[0]}",
            Arguments = argv[1..],
            Environment = Run.AgentEnvironment(),
            Output = ChildStdio.File(output),
            Error = ChildStdio.File(output),
        });
        Assert.True(child.Exit.Wait(SupervisedFixture.Bound), "a command goes on and on");
        var text = File.ReadAllText(output);
        Assert.True(child.Exit.Result.Code == 0, $"{string.Join(' ', argv)}: {text}");
        return text;
    }
}
