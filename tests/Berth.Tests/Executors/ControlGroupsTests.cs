using Berth.Engine.Executors;
using Berth.Engine.Executors.Local;
using Xunit;

namespace Berth.Tests.Executors;

/// <summary>Over a folder that looks like a hierarchy; the real ones are tried by the system tests.</summary>
public sealed class ControlGroupsTests : IDisposable
{
    private const string RunId = "0123abc";

    private readonly string root = Directory.CreateTempSubdirectory("berth-groups-").FullName;

    private string Process => Path.Combine(root, "self");

    [Fact]
    public void Version_2_takes_the_nearest_ancestor_that_hands_the_controller_on()
    {
        Hierarchy("24 1 0:21 / {0} rw - cgroup2 cgroup2 rw", "0::/user/app/own");
        Group("unified", "memory pids");
        Group("unified/user", "memory pids");
        Group("unified/user/app", "memory");
        Group("unified/user/app/own", "");

        var groups = ControlGroups.Detect(Process);

        // A plain folder gets no limit file when a group is made in it, so here none can be had; a kernel makes them.
        Assert.Null(groups.Memory);
        Assert.Null(groups.Processes);
    }

    [Fact]
    public void A_process_without_readable_groups_has_none()
    {
        var groups = ControlGroups.Detect(Path.Combine(root, "no-such-process"));

        Assert.Null(groups.Memory);
        var policy = new ExecutionPolicy { Sandbox = SandboxKind.None, MemoryBytes = 1 << 30, Processes = 99 };
        Assert.Empty(groups.FoldersOf(RunId, policy));
    }

    [Fact]
    public void Only_groups_of_the_runs_own_name_are_removed()
    {
        var own = Directory.CreateDirectory(Path.Combine(root, $"berth-{RunId}", "inner")).Parent!.FullName;
        var other = Directory.CreateDirectory(Path.Combine(root, "berth-other")).FullName;

        Assert.Empty(ControlGroups.Remove(RunId, [own, other, root, "/no/such/group"]));

        Assert.False(Directory.Exists(own));
        Assert.True(Directory.Exists(other));
    }

    [Fact]
    public void A_group_that_is_still_in_use_is_listed()
    {
        var own = Directory.CreateDirectory(Path.Combine(root, $"berth-{RunId}")).FullName;
        File.WriteAllText(Path.Combine(own, "in-use"), "");

        Assert.Equal([own], ControlGroups.Remove(RunId, [own]));
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    private void Hierarchy(string mount, string group)
    {
        Directory.CreateDirectory(Process);
        var line = mount.Replace("{0}", Path.Combine(root, "unified"), StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(Process, "mountinfo"), line + "\nnonsense\n");
        File.WriteAllText(Path.Combine(Process, "cgroup"), group + "\nnonsense\n");
    }

    private void Group(string name, string handsOn)
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, name)).FullName;
        File.WriteAllText(Path.Combine(folder, "cgroup.subtree_control"), handsOn + "\n");
        File.WriteAllText(Path.Combine(folder, "cgroup.procs"), "");
    }
}
