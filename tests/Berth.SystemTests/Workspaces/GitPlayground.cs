using System.Text;
using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Workspaces;

/// <summary>A folder of its own for one test, with real git in it. Nothing of the machine's git configuration
/// counts.</summary>
internal sealed class GitPlayground : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);
    private readonly ProcessRunner processes = new(TimeProvider.System);
    private int runs;

    /// <summary>The name of the file of credentials.</summary>
    internal const string CredentialsName = "git-credentials.json";

    /// <summary>Makes it.</summary>
    /// <param name="helper">The program that tells git a credential, where that is needed.</param>
    internal GitPlayground(string? helper = null)
    {
        Root = Directory.CreateTempSubdirectory("berth-git-").FullName;
        Home = Directory.CreateDirectory(At("home")).FullName;
        MirrorsFolder = At("mirrors");
        Environment = new(StringComparer.Ordinal)
        {
            ["PATH"] = System.Environment.GetEnvironmentVariable("PATH")!,
            ["HOME"] = Home,
            ["LC_ALL"] = "C",
            ["DOTNET_ROOT"] = SystemTestEnvironment.DotnetRoot,
            ["GIT_OPTIONAL_LOCKS"] = "0",
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_AUTHOR_NAME"] = "Test",
            ["GIT_AUTHOR_EMAIL"] = "test@example.org",
            ["GIT_COMMITTER_NAME"] = "Test",
            ["GIT_COMMITTER_EMAIL"] = "test@example.org",
        };
        var options = new GitOptions
        {
            ConfigFolder = At("config"),
            Environment = Environment,
            Credentials = new GitCredentials(At(CredentialsName)),
            Helper = helper,
            Judge = (location, cancel) => Judge!(location, cancel),
        };
        Git = new GitProgram(options, processes);
    }

    internal string Root { get; }

    /// <summary>Judges the places of guarded calls.</summary>
    internal Func<string, CancellationToken, Task<RemotePin>>? Judge { get; set; }

    internal string Home { get; }

    internal string MirrorsFolder { get; }

    internal GitProgram Git { get; }

    internal Dictionary<string, string> Environment { get; }

    internal static CancellationToken Soon => TestContext.Current.CancellationToken;

    internal string At(string name) => Path.Combine(Root, name);

    internal RepositoryWorkspaces Workspaces(Func<WorkspaceOptions, WorkspaceOptions>? change = null)
    {
        var options = new WorkspaceOptions { MirrorsFolder = MirrorsFolder };
        return new RepositoryWorkspaces(change?.Invoke(options) ?? options, Git, TimeProvider.System);
    }

    /// <summary>Plain git, as a user or an agent has it.</summary>
    internal async Task<string> GitAsync(string folder, params string[] arguments)
    {
        var result = await TryGitAsync(folder, arguments);
        Assert.True(result.Succeeded, $"git {string.Join(' ', arguments)}: {result.Error}");
        return Encoding.UTF8.GetString(result.Output.Span).TrimEnd('\n');
    }

    internal Task<ProcessResult> TryGitAsync(string folder, params string[] arguments) => processes.RunAsync(
        new ProcessRequest
        {
            FileName = "/usr/bin/git",
            Arguments = ["-c", "gc.auto=0", "-c", "protocol.file.allow=always", .. arguments],
            Environment = Environment,
            WorkingDirectory = folder,
            Timeout = Bound,
        },
        Soon);

    /// <summary>Types a command as a user does.</summary>
    internal async Task TypeAsync(string command)
    {
        var result = await processes.RunAsync(
            new ProcessRequest
            {
                FileName = "/bin/sh",
                Arguments = ["-c", command],
                Environment = Environment,
                WorkingDirectory = Root,
                Timeout = Bound,
            },
            Soon);
        Assert.True(result.Succeeded, $"{command}: {result.Error}");
    }

    /// <summary>What a command prints, whatever its exit code; bytes that are no UTF-8 are lost.</summary>
    internal async Task<string> TypedAsync(string command)
    {
        var result = await processes.RunAsync(
            new ProcessRequest
            {
                FileName = "/bin/sh",
                Arguments = ["-c", command],
                Environment = Environment,
                WorkingDirectory = Root,
                Timeout = Bound,
            },
            Soon);
        return Encoding.UTF8.GetString(result.Output.Span);
    }

    /// <summary>A user's repository with one commit on <c>main</c>.</summary>
    internal async Task<string> RepositoryAsync(string name = "repository", int files = 3)
    {
        var folder = Directory.CreateDirectory(At(name)).FullName;
        await GitAsync(folder, "init", "--quiet", "--initial-branch=main");
        for (var file = 0; file < files; file++)
        {
            var path = Path.Combine(folder, $"folder {file % 10}", $"file-{file}.txt");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, $"content {file}\n", Soon);
        }

        await CommitAsync(folder, "Begin");
        return folder;
    }

    internal async Task<string> CommitAsync(string folder, string message)
    {
        await GitAsync(folder, "add", "--all");
        await GitAsync(folder, "commit", "--quiet", "--allow-empty", "-m", message);
        return await GitAsync(folder, "rev-parse", "HEAD");
    }

    internal RepositorySource Source(string text) => RepositorySource.Parse(text, Root);

    internal WorkspaceRequest Request(string repository, string? reference = null, string? branch = null)
    {
        var id = $"run{Interlocked.Increment(ref runs):0000}";
        return new WorkspaceRequest
        {
            RunId = id,
            Source = Source(repository),
            Ref = reference,
            Branch = branch ?? $"berth/test/{id}",
            RunDirectory = new RunDirectory(Directory.CreateDirectory(At(Path.Combine("runs", id))).FullName),
        };
    }

    /// <summary>What capture does, but outside of any sandbox: a bundle of what is new.</summary>
    internal async Task BundleAsync(RunWorkspace run)
    {
        Directory.CreateDirectory(run.RunDirectory.CaptureFolder);
        string[] what = run.BaseCommit is { } start ? [$"{start}..HEAD", "HEAD"] : ["HEAD"];
        await GitAsync(
            run.RunDirectory.Workspace, ["bundle", "create", "--quiet", run.RunDirectory.BundleFile, .. what]);
    }

    /// <summary>Prepares a run, lets the agent write one file and commit it, and captures that.</summary>
    internal async Task<RunWorkspace> RunAsync(
        RepositoryWorkspaces workspaces, WorkspaceRequest request, string file = "new.txt")
    {
        var prepared = await workspaces.PrepareAsync(request, Soon);
        await File.WriteAllTextAsync(Path.Combine(prepared.Path, file), "new\n", Soon);
        await CommitAsync(prepared.Path, $"Add {file}");
        await BundleAsync(prepared.Run);
        return prepared.Run;
    }

    // A git that was killed may have a child that is just ending.
    public async ValueTask DisposeAsync() => await Eventually.TrueAsync(
        () =>
        {
            try
            {
                Directory.Delete(Root, recursive: true);
                return true;
            }
            catch (IOException)
            {
                return false;
            }
        },
        $"{Root} is removed");
}
