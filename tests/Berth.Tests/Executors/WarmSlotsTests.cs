using Berth.Engine.Docker;
using Berth.Engine.Executors.Docker;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class WarmSlotsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-slots-").FullName;

    private WarmSlots Slots => new(folder);

    [Fact]
    public void A_slot_can_be_taken_when_it_is_open_and_once()
    {
        Make("one", "key", age: 1);
        Assert.False(Slots.TryTake("key", At("run1")));
        Slots.Open("one");

        Assert.False(Slots.TryTake("other key", At("run1")));
        Assert.True(Slots.TryTake("key", At("run1")));
        Assert.False(Slots.TryTake("key", At("run2")));
        Assert.Equal("one", WarmSlot.Of(new RunDirectory(At("run1")))!.ContainerId);
        Assert.False(Directory.Exists(At("run2")));
        Assert.Empty(Slots.Unusable());
    }

    [Fact]
    public void Many_that_take_at_once_have_one_each()
    {
        var names = Enumerable.Range(0, 8).Select(number => $"s{number}").ToList();
        foreach (var name in names)
        {
            Make(name, "key", age: 1);
            Slots.Open(name);
        }

        var taken = Enumerable.Range(0, 20).AsParallel().WithDegreeOfParallelism(20)
            .Count(number => Slots.TryTake("key", At($"run{number}")));

        Assert.Equal(8, taken);
        Assert.Equal(
            names,
            Directory.EnumerateDirectories(folder, "run*")
                .Select(run => WarmSlot.Of(new RunDirectory(run))!.ContainerId).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_oldest_is_first_and_what_is_closed_or_damaged_is_unusable()
    {
        foreach (var (name, age) in new[] { ("young", 1), ("old", 3), ("middle", 2), ("closed", 4), ("broken", 5) })
        {
            Make(name, "key", age);
            Slots.Open(name);
        }

        Assert.True(Slots.Close("closed"));
        File.WriteAllText(Path.Combine(Slots.Folder, "broken", WarmSlot.FileName), "{");
        Directory.Delete(Path.Combine(Slots.Folder, "middle"), recursive: true);

        Assert.Equal(["old", "young"], Slots.Waiting().Select(slot => slot.Name));
        Assert.Equal(["broken", "closed"], Slots.Unusable().Order(StringComparer.Ordinal));
        Assert.True(Slots.Close("never there"));
    }

    [Fact]
    public void A_directory_that_was_taken_is_a_young_one()
    {
        Make("one", "key", age: 1);
        Slots.Open("one");
        Directory.SetLastWriteTimeUtc(Path.Combine(Slots.Folder, "one"), DateTime.UnixEpoch);
        Assert.True(Slots.TryTake("key", At("run1")));

        Assert.NotEqual(DateTime.UnixEpoch, Directory.GetLastWriteTimeUtc(At("run1")));
    }

    [Fact]
    public void Two_directories_of_one_kind_have_the_same_order_and_another_file_at_a_mounted_path_makes_another()
    {
        var program = Path.Combine(folder, "program");
        var (first, second, outside) = (At("first"), At("second"), At("outside"));
        foreach (var path in new[] { first, second, outside })
        {
            Directory.CreateDirectory(path);
        }

        File.WriteAllText(program, "program");
        var before = WarmSlot.OrderOf(first, OrderWith(first, outside), program);
        Directory.Move(first, At("renamed"));
        var renamed = WarmSlot.OrderOf(At("renamed"), OrderWith(At("renamed"), outside), program);
        var limited = WarmSlot.OrderOf(At("renamed"), OrderWith(At("renamed"), outside, 1024), program);
        Directory.Move(outside, At("outside-before"));
        Directory.CreateDirectory(outside);
        var replaced = WarmSlot.OrderOf(At("renamed"), OrderWith(At("renamed"), outside), program);

        Assert.Equal(before, renamed);
        Assert.NotEqual(before, limited);
        Assert.NotEqual(before, replaced);
        Assert.NotEqual(before, WarmSlot.OrderOf(second, OrderWith(second, At("outside-before")), program));
        File.WriteAllText(program, "another program");
        Assert.NotEqual(
            replaced, WarmSlot.OrderOf(At("renamed"), OrderWith(At("renamed"), outside), program));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static ContainerOrder OrderWith(string root, string outside, long? memory = null) => new()
    {
        Image = "sha256:1",
        Entrypoint = ["/opt/berth/supervisor"],
        Cmd = [],
        Env = [],
        User = "0:0",
        Labels = new Dictionary<string, string>(StringComparer.Ordinal),
        HostConfig = new ContainerHostConfig
        {
            CapAdd = [],
            Tmpfs = new Dictionary<string, string>(StringComparer.Ordinal),
            Mounts = [new(root, "/run", ReadOnly: false), new(outside, "/outside", ReadOnly: true)],
            Memory = memory,
        },
    };

    private string At(string name) => Path.Combine(folder, name);

    private void Make(string name, string key, int age) => new WarmSlot(
        key, "order", name, Git: null, DateTimeOffset.UnixEpoch.AddDays(-age)).Write(Slots.Make(name));
}
