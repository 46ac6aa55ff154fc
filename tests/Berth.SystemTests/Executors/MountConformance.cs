using Berth.Engine.Executors;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>Extra folders and the size of /tmp, the same over every executor that isolates.</summary>
public abstract class MountConformance : IAsyncDisposable
{
    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private readonly string folder = Directory.CreateTempSubdirectory("berth-extra-").FullName;

    private protected abstract ExecutorStage Stage { get; }

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_folder_is_read_and_one_that_may_be_written_is_written()
    {
        var (read, written) = (Make("read"), Make("written"));
        await File.WriteAllTextAsync(Path.Combine(read, "a"), "from outside\n", Ending);
        var spec = Stage.Shell(Stage.NewRun(), $"""
            cat /mnt/read/a
            touch /mnt/read/b 2>/dev/null || echo "not written"
            echo inside > {written}/c && echo written
            """);

        await Stage.RunAsync(spec with
        {
            Policy = Stage.Policy with
            {
                ExtraMounts = [new HostMount(read, "/mnt/read"), new HostMount(written, written, IsWritable: true)],
            },
        });

        Assert.Equal(["from outside", "not written", "written"], await Stage.PrintedAsync(spec.RunId));
        Assert.Equal("inside\n", await File.ReadAllTextAsync(Path.Combine(written, "c"), Ending));
    }

    [Fact]
    public async Task A_folder_that_has_become_a_link_is_refused()
    {
        var link = Path.Combine(folder, "link");
        File.CreateSymbolicLink(link, Make("elsewhere"));
        var spec = Stage.Shell(Stage.NewRun(), "true");

        var refused = await Assert.ThrowsAsync<FailureException>(() => Stage.StartAsync(spec with
        {
            Policy = Stage.Policy with { ExtraMounts = [new HostMount(link, "/mnt/x")] },
        }));

        Assert.Equal("mount_not_permitted", refused.Failure.Code);
    }

    [Fact]
    public async Task What_tmp_may_hold_has_a_limit()
    {
        const long Mebi = 1024 * 1024;
        var spec = Stage.Shell(Stage.NewRun(), """
            head -c 8M /dev/zero > /tmp/some && echo some
            head -c 64M /dev/zero > /tmp/more 2>/dev/null || echo full
            """);

        await Stage.RunAsync(spec with { Policy = Stage.Policy with { TempBytes = 32 * Mebi } });

        Assert.Equal(["some", "full"], await Stage.PrintedAsync(spec.RunId));
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Stage.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private string Make(string name)
    {
        var made = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
        File.SetUnixFileMode(made, Everybody);
        File.SetUnixFileMode(folder, Everybody);
        return made;
    }
}

/// <summary>Over bubblewrap.</summary>
public sealed class LocalMountTests : MountConformance
{
    private protected override ExecutorStage Stage { get; } =
        new(SandboxKind.Bubblewrap, LocalExecutorTests.NewExecutor);
}

/// <summary>Over containers.</summary>
public sealed class DockerMountTests : MountConformance
{
    private protected override ExecutorStage Stage { get; } =
        new(SandboxKind.Container, DockerExecutorTests.NewExecutor);
}
