using Berth.Engine.Executors;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class SafeDeletionTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-deletion-").FullName;

    private string Tree => Path.Combine(folder, "workspace");

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public void A_tree_is_removed_and_what_stands_beside_it_stays()
    {
        Write("workspace/a/b/c.txt");
        Write("workspace/.hidden");
        Write("events.ndjson");

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.Equal(
            ["events.ndjson"], Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName),
            StringComparer.Ordinal);
    }

    [Fact]
    public void What_is_not_there_is_as_good_as_removed()
    {
        Assert.Empty(SafeDeletion.Remove(folder, ["workspace", "home"], Ending));
        Assert.Empty(SafeDeletion.Remove(Path.Combine(folder, "no-such-folder"), ["workspace"], Ending));
    }

    [Fact]
    public void Links_are_removed_and_never_followed()
    {
        Write("outside/precious.txt");
        Directory.CreateDirectory(Tree);
        File.CreateSymbolicLink(Path.Combine(Tree, "to-folder"), Path.Combine(folder, "outside"));
        File.CreateSymbolicLink(Path.Combine(Tree, "to-file"), Path.Combine(folder, "outside", "precious.txt"));
        File.CreateSymbolicLink(Path.Combine(Tree, "to-root"), "/");
        File.CreateSymbolicLink(Path.Combine(Tree, "to-nothing"), "/no/such/place");
        File.CreateSymbolicLink(Path.Combine(Tree, "to-itself"), "to-itself");

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.False(Directory.Exists(Tree));
        Assert.True(File.Exists(Path.Combine(folder, "outside", "precious.txt")));
    }

    [Fact]
    public void A_tree_replaced_by_a_link_loses_the_link_only()
    {
        Write("outside/precious.txt");
        File.CreateSymbolicLink(Tree, Path.Combine(folder, "outside"));

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.False(Path.Exists(Tree));
        Assert.True(File.Exists(Path.Combine(folder, "outside", "precious.txt")));
    }

    [Fact]
    public void A_tree_replaced_by_a_file_is_removed()
    {
        Write("workspace");

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.False(File.Exists(Tree));
    }

    [Fact]
    public void A_run_directory_that_is_a_link_to_elsewhere_is_entered()
    {
        Write("elsewhere/workspace/a.txt");
        var link = Path.Combine(folder, "run");
        File.CreateSymbolicLink(link, Path.Combine(folder, "elsewhere"));

        Assert.Empty(SafeDeletion.Remove(link, ["workspace"], Ending));

        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(folder, "elsewhere")));
    }

    [Fact]
    public void Folders_without_permissions_are_removed()
    {
        Write("workspace/read-only/a.txt");
        Write("workspace/closed/deep/a.txt");
        File.SetUnixFileMode(Path.Combine(Tree, "read-only"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.SetUnixFileMode(Path.Combine(Tree, "closed", "deep", "a.txt"), UnixFileMode.None);
        File.SetUnixFileMode(Path.Combine(Tree, "closed", "deep"), UnixFileMode.None);
        File.SetUnixFileMode(Path.Combine(Tree, "closed"), UnixFileMode.None);

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.False(Directory.Exists(Tree));
    }

    [Fact]
    public async Task Odd_names_and_odd_files_are_removed()
    {
        Write($"workspace/{new string('n', 255)}");
        Write("workspace/two\nlines/and\ttab.txt");
        Write("workspace/-rf");
        await Shell(@"cd workspace && mkdir $'\xff\xfe' && touch $'\xff\xfe/\xe9' && mkfifo pipe $'pipe-\xff'");
        using var socket = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream,
                System.Net.Sockets.ProtocolType.Unspecified);
        using var place = new SocketFolder(Tree);
        socket.Bind(place.EndPoint("a.sock"));

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.False(Directory.Exists(Tree));
    }

    [Fact]
    public void A_tree_far_deeper_than_a_path_may_be_long_is_removed()
    {
        // Other tests of this process open files meanwhile; a descriptor left open at each level would be far more.
        const int Levels = 5_000;
        const int OpenedByOthers = Levels / 5;
        DeepTree.Make(folder, "workspace", Levels);
        var before = OpenDescriptors();

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
        Assert.InRange(OpenDescriptors(), 0, before + OpenedByOthers);
    }

    [Fact]
    public void A_deletion_that_was_killed_in_the_depth_is_finished_by_the_next()
    {
        Write("workspace/a.txt");
        Write(".berth-deleting-0123/left/behind.txt");

        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public async Task Two_deletions_at_once_remove_everything_once()
    {
        for (var i = 0; i < 300; i++)
        {
            Write($"workspace/{i % 10}/{i % 7}/{i}.txt");
        }

        DeepTree.Make(folder, "workspace", 300);

        var leaks = await Task.WhenAll(Enumerable.Range(0, 4)
            .Select(_ => Task.Run(() => SafeDeletion.Remove(folder, ["workspace"], Ending), Ending)));

        Assert.All(leaks, Assert.Empty);
        Assert.Empty(SafeDeletion.Remove(folder, ["workspace"], Ending));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public void A_passed_deadline_lists_what_is_left()
    {
        Write("workspace/a.txt");
        using var passed = new CancellationTokenSource();
        passed.Cancel();

        var leaked = Assert.Single(SafeDeletion.Remove(folder, ["workspace"], passed.Token));

        Assert.StartsWith(Tree, leaked, StringComparison.Ordinal);
        Assert.Contains("time", leaked, StringComparison.Ordinal);
    }

    public void Dispose() =>
        SafeDeletion.Remove(Path.GetTempPath(), [Path.GetFileName(folder)], CancellationToken.None);

    private static int OpenDescriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count();

    private void Write(string name)
    {
        var path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "x");
    }

    private async Task Shell(string script)
    {
        using var shell = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/bin/bash",
            Arguments = ["-c", script],
            Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = "/usr/bin:/bin" },
            WorkingDirectory = folder,
        });
        Assert.Equal(0, (await shell.Exit.WaitAsync(TimeSpan.FromSeconds(30), Ending)).Code);
    }
}
