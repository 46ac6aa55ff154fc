using Berth.Engine.Executors;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class DiskUseTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-use-").FullName;

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Plain_files_count_by_their_length_and_nothing_else_does()
    {
        await ShellAsync("""
            mkdir -p tree/a/b; printf 12345 > tree/a/five; printf 123 > tree/a/b/three; truncate -s 1M tree/sparse
            ln -s five tree/a/link; ln -s / tree/root; mkfifo tree/pipe; printf 12 > $'tree/new\nline'
            printf 1234567 > $'tree/\xff\xfe'; mkdir $'tree/\xfd'; printf 1 > $'tree/\xfd/\xe9'; printf 123 > alone
            """);

        Assert.Equal(5 + 3 + (1024 * 1024) + 2 + 7 + 1, new DiskUse().Of(folder, ["tree"]));
        Assert.Equal(3, new DiskUse().Of(folder, ["alone"]));
        Assert.Equal(0, new DiskUse().Of(folder, ["nosuch"]));
        Assert.Equal(0, new DiskUse().Of(Path.Combine(folder, "nosuch"), ["tree"]));
    }

    [Fact]
    public async Task A_file_with_several_names_counts_once_and_when_all_of_them_go()
    {
        await ShellAsync("""
            mkdir one two; printf 12345 > one/a; ln one/a one/b; ln one/a two/c
            printf 123 > one/own; ln one/own one/same
            """);

        Assert.Equal(3, new DiskUse().Of(folder, ["one"]));
        Assert.Equal(0, new DiskUse().Of(folder, ["two"]));
        Assert.Equal(8, new DiskUse().Of(folder, ["one", "two"]));
        var together = new DiskUse();
        Assert.Equal((3, 5), (together.Of(folder, ["one"]), together.Of(folder, ["two"])));
    }

    [Fact]
    public async Task Closed_folders_are_read_and_stay_closed()
    {
        await ShellAsync("""
            mkdir -p tree/closed/inner tree/read; printf 12345 > tree/closed/inner/a; printf 1 > tree/read/b
            chmod 500 tree/read; chmod 0 tree/closed/inner; chmod 0 tree/closed
            """);

        Assert.Equal(6, new DiskUse().Of(folder, ["tree"]));

        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(Path.Combine(folder, "tree/closed")));
        await ShellAsync("chmod 700 tree/closed; [ $(stat -c %a tree/closed/inner) = 0 ]; chmod 700 tree/closed/inner");
    }

    [Fact]
    public void A_tree_far_deeper_than_a_path_may_be_long_is_counted()
    {
        DeepTree.Make(folder, "tree", 5000);

        Assert.Equal(5000, new DiskUse().Of(folder, ["tree"]));
    }

    public void Dispose() =>
        SafeDeletion.Remove(Path.GetTempPath(), [Path.GetFileName(folder)], CancellationToken.None);

    private async Task ShellAsync(string script)
    {
        using var shell = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/bin/bash",
            Arguments = ["-c", $"set -e\n{script}"],
            Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = "/usr/bin:/bin" },
            WorkingDirectory = folder,
        });
        Assert.Equal(0, (await shell.Exit.WaitAsync(TimeSpan.FromSeconds(30), Ending)).Code);
    }
}
