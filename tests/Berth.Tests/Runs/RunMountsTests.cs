using Berth.Engine;
using Berth.Engine.Executors;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Berth.Tests.Commands;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class RunMountsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-mounts-").FullName;

    public RunMountsTests()
    {
        foreach (var name in new[] { "shared/deep", "written", "other" })
        {
            Directory.CreateDirectory(Path.Combine(folder, name));
        }

        File.CreateSymbolicLink(Path.Combine(folder, "shared/out"), Path.Combine(folder, "other"));
        File.CreateSymbolicLink(Path.Combine(folder, "way"), Path.Combine(folder, "shared"));
        File.CreateSymbolicLink(Path.Combine(folder, "ring"), Path.Combine(folder, "ring"));
    }

    [Theory]
    [InlineData("shared", "shared::ro")]
    [InlineData("shared/deep", "shared/deep::ro")]
    [InlineData("shared:/mnt/x", "shared:/mnt/x:ro")]
    [InlineData("written:/mnt/x:rw", "written:/mnt/x:rw")]
    [InlineData("written:ro", "written::ro")]
    [InlineData("way/deep:/mnt/x", "shared/deep:/mnt/x:ro")]
    public void What_the_operator_permits_is_given_by_its_real_path(string asked, string given)
    {
        var parts = given.Split(':');
        var inside = parts[1].Length > 0 ? parts[1] : Path.Combine(folder, parts[0]);

        var mount = Assert.Single(Decide($"{folder}/{asked}"));

        Assert.Equal($"{folder}/{parts[0]}:{inside}:{parts[2]}", mount.ToString());
    }

    [Theory]
    [InlineData("shared:rw", "mount_not_permitted")]
    [InlineData("other", "mount_not_permitted")]
    [InlineData("shared/out", "mount_not_permitted")]
    [InlineData("shared/none", "mount_missing")]
    [InlineData("ring", "mount_missing")]
    [InlineData("shared/../other", "mount_invalid")]
    [InlineData("shared:mnt", "mount_invalid")]
    [InlineData("shared:/mnt:/x", "mount_invalid")]
    [InlineData("shared:/workspace/x", "mount_invalid")]
    [InlineData("shared:/opt", "mount_invalid")]
    [InlineData("shared:/usr/local", "mount_invalid")]
    [InlineData("shared:/etc", "mount_invalid")]
    [InlineData("shared:/run/berth/gateway", "mount_invalid")]
    [InlineData("shared:/tmp", "mount_invalid")]
    public void What_he_does_not_permit_is_refused(string asked, string code) =>
        Assert.Equal(code, Refused(() => Decide($"{folder}/{asked}")));

    [Theory]
    [InlineData("/")]
    [InlineData("/proc/self")]
    [InlineData("/sys")]
    [InlineData("/dev/shm")]
    [InlineData("/run")]
    [InlineData("/var/run")]
    public void The_machine_itself_is_never_given(string path) =>
        Assert.StartsWith(
            "mount_",
            Refused(() => Decide($"{path}:/mnt/x", "/srv,/proc,/sys,/dev,/run,/var/run")),
            StringComparison.Ordinal);

    [Fact]
    public void Berths_own_home_and_what_it_is_in_are_never_given()
    {
        using var trial = new TrialSurroundings(("BERTH_MOUNTS", "/tmp"));
        var options = Settings.Bind(trial.Given) with { Home = Path.Combine(folder, "shared") };

        foreach (var path in new[] { folder, $"{folder}/shared", $"{folder}/shared/deep", $"{folder}/way" })
        {
            Assert.Equal(
                "mount_not_permitted",
                Refused(() => RunMounts.Decide(
                    options with { Mounts = [MountText.Parse(folder)!] }, Asking($"{path}:/mnt/x"), [],
                    SandboxKind.Bubblewrap)));
        }
    }

    [Fact]
    public void Two_in_one_place_and_one_without_a_sandbox_are_refused()
    {
        Assert.Equal(
            "mount_invalid",
            Refused(() => Decide([$"{folder}/shared:/mnt/x", $"{folder}/written:/mnt/x"], SandboxKind.Bubblewrap)));
        Assert.Equal(
            "mount_needs_sandbox", Refused(() => Decide([$"{folder}/shared"], SandboxKind.None)));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private IReadOnlyList<HostMount> Decide(string asked, string? permitted = null) =>
        Decide([asked], SandboxKind.Bubblewrap, permitted);

    private IReadOnlyList<HostMount> Decide(string[] asked, SandboxKind sandbox, string? permitted = null)
    {
        using var trial = new TrialSurroundings(("BERTH_MOUNTS", permitted ?? $"{folder}/shared,{folder}/written:rw"));
        return RunMounts.Decide(Settings.Bind(trial.Given), Asking(asked), [], sandbox);
    }

    private static RunRequest Asking(params string[] mounts) => new()
    {
        Workflow = "fix", Message = "Do it.", CurrentDirectory = "/", Mounts = mounts,
    };

    private static string Refused(Func<IReadOnlyList<HostMount>> decide) =>
        Assert.Throws<FailureException>(() => { _ = decide(); }).Failure.Code;
}
