using System.Globalization;
using System.Text.Json;
using Berth.Engine.Docker;
using Berth.Engine.Executors.Docker;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Warm containers: made when a run has ended, and had by the next run of the kind, once.</summary>
public sealed class DockerWarmTests : IDisposable
{
    // What the agent has and sees, so far as it is not another one each time.
    private const string Work = """
        bash <<END
        {
            id; hostname; grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status
            env | cut -d = -f 1 | sort
            awk '{ print $5, $6, $(NF - 2) }' /proc/self/mountinfo | sort
            for folder in / /tmp /var/tmp /run /run/berth /run/berth/agent /run/berth/gateway /home/agent /etc; do
                ls -ld $folder; ls -A $folder
            done
            cat /etc/passwd /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes
            echo "$PWD $BERTH_RUN_ID"
        } 2>&1 | sed -E 's/ [A-Z][a-z]{2} +[0-9]+ [0-9:]+ / /' > seen.txt
        sleep 1
        END
        ---
        text Done.
        """;

    private readonly DockerClient docker = new(
        DockerEndpoint.Parse(SystemTestEnvironment.DockerHost), TimeProvider.System);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_next_run_has_the_container_that_waits_and_ends_as_a_cold_one_does(bool isElsewhere)
    {
        await using var home = await CreateAsync(1);
        home.Set("CLAUDE_LOCAL_WORKSPACE", isElsewhere ? Elsewhere(home) : null);
        var cold = await RunAsync(home, "cold");
        var slot = await OneWaitsAsync(home);
        var warm = await RunAsync(home, "warm");
        var next = await OneWaitsAsync(home);

        Assert.NotEqual(slot.Record.ContainerId, cold.Container);
        Assert.Equal(slot.Record.ContainerId, warm.Container);
        Assert.NotEqual(slot.Name, next.Name);
        Assert.Contains("\n/home/agent rw", cold.Seen, StringComparison.Ordinal);
        Assert.Equal(
            cold.Seen.Replace(cold.Id, "ID", StringComparison.Ordinal),
            warm.Seen.Replace(warm.Id, "ID", StringComparison.Ordinal));
        Assert.Equal(
            cold.Journal.Select(TypeOf), warm.Journal.Select(TypeOf), StringComparer.Ordinal);
        Assert.Null(await docker.FindAsync(slot.Record.ContainerId, Cancel));
        await GoneAsync(home);
    }

    [Fact]
    public async Task Of_two_runs_at_once_one_has_the_slot_and_both_succeed()
    {
        await using var home = await CreateAsync(1);
        await RunAsync(home, "first");
        var slot = await OneWaitsAsync(home);
        var runs = await Task.WhenAll(RunAsync(home, "a"), RunAsync(home, "b"));

        Assert.Single(runs, run => string.Equals(run.Container, slot.Record.ContainerId, StringComparison.Ordinal));
        await OneWaitsAsync(home);
        await GoneAsync(home);
    }

    [Theory]
    [InlineData("repository")]
    [InlineData("limits")]
    [InlineData("image")]
    [InlineData("removed")]
    [InlineData("unpaused")]
    [InlineData("mirror")]
    public async Task A_run_that_differs_or_a_container_that_was_meddled_with_goes_the_cold_way(string what)
    {
        await using var home = await CreateAsync(1);
        await RunAsync(home, "first");
        var slot = await OneWaitsAsync(home);
        List<string> options = [];
        switch (what)
        {
            case "repository":
                var other = Path.Combine(home.Folder, "other");
                await home.GitAsync(Cancel, "clone", "-q", home.Repository, other);
                options = ["--repo", other];
                break;
            case "limits":
                home.Set("BERTH_PROCESSES", "500");
                break;
            case "image":
                options = ["--image", SystemTestEnvironment.BareImage];
                break;
            case "removed":
                Assert.True(await docker.RemoveAsync(slot.Record.ContainerId, Cancel));
                break;
            case "unpaused":
                await docker.UnpauseAsync(slot.Record.ContainerId, Cancel);
                break;
            default:
                var objects = Path.Combine(home.Mirror(), "objects");
                await ExecuteAsync("cp", "-a", objects, objects + "-2");
                Directory.Move(objects, objects + "-1");
                Directory.Move(objects + "-2", objects);
                break;
        }

        var run = await RunAsync(home, "second", [.. options]);
        // The refill comes after the run's end: until its host has ended, the slot that waits may be the old one.
        await HostEndsAsync(run.Id);

        Assert.NotEqual(slot.Record.ContainerId, run.Container);
        Assert.NotEqual(slot.Name, (await OneWaitsAsync(home)).Name);
        Assert.Null(await docker.FindAsync(slot.Record.ContainerId, Cancel));
        await GoneAsync(home);
    }

    [Fact]
    public async Task No_more_wait_than_may_the_oldest_go_and_a_cleanup_of_all_removes_the_rest()
    {
        await using var home = await CreateAsync(2);
        var names = new List<string>();
        foreach (var processes in new[] { "500", "501", "502" })
        {
            home.Set("BERTH_PROCESSES", processes);
            var id = (await RunAsync(home, $"b{processes}")).Id;
            await HostEndsAsync(id);
            names.Add(SlotsOf(home).Waiting()[^1].Name);
        }

        Assert.Equal(names[1..], SlotsOf(home).Waiting().Select(slot => slot.Name), StringComparer.Ordinal);
        await home.BerthAsync(Cancel, "cleanup", "--older-than", "1s");
        Assert.Equal(2, SlotsOf(home).Waiting().Count);
        var said = await home.BerthAsync(Cancel, "cleanup", "--all", "--dry-run");
        Assert.All(names[1..], name => Assert.Contains($"berth-warm-{name}", said.Output, StringComparison.Ordinal));
        Assert.Contains("2 containers waiting, of 2 at most", (await home.BerthAsync(Cancel, "doctor")).Output,
            StringComparison.Ordinal);
        await GoneAsync(home);
    }

    [Fact]
    public async Task With_the_setting_at_0_the_next_run_removes_what_waits()
    {
        await using var home = await CreateAsync(1);
        await RunAsync(home, "first");
        var slot = await OneWaitsAsync(home);
        home.Set("BERTH_DOCKER_WARM", "0");
        var run = await RunAsync(home, "second");
        await HostEndsAsync(run.Id);

        Assert.NotEqual(slot.Record.ContainerId, run.Container);
        Assert.Empty(SlotsOf(home).Waiting());
        Assert.Null(await docker.FindAsync(slot.Record.ContainerId, Cancel));
        await GoneAsync(home);
    }

    [Fact]
    public async Task What_a_killed_host_has_left_of_making_slots_goes_with_the_next_refill()
    {
        await using var home = await CreateAsync(1);
        for (var milliseconds = 0; milliseconds <= 400; milliseconds += 80)
        {
            var id = (await RunAsync(home, string.Create(CultureInfo.InvariantCulture, $"b{milliseconds}"))).Id;
            await Task.Delay(milliseconds, Cancel);
            foreach (var host in HomeRuns.HostsOf(id))
            {
                host.Signal(HomeRuns.Kill);
            }
        }

        Directory.CreateDirectory(Path.Combine(SlotsOf(home).Folder, ".half"));
        await RunAsync(home, "last");
        var slot = await OneWaitsAsync(home);

        Assert.Equal([slot.Name], Directory.EnumerateDirectories(SlotsOf(home).Folder).Select(Path.GetFileName));
        var owner = await File.ReadAllTextAsync(Path.Combine(home.Home, "runs", "docker-owner"), Cancel);
        Assert.Single(await docker.ListAsync($"berth.home={owner}", Cancel));
        await GoneAsync(home);
    }

    [Fact]
    public async Task A_host_that_is_killed_at_moments_of_an_adoption_loses_no_run_and_leaves_no_container()
    {
        await using var home = await CreateAsync(1);
        await RunAsync(home, "first");
        for (var milliseconds = 0; milliseconds <= 300; milliseconds += 50)
        {
            await OneWaitsAsync(home);
            var branch = string.Create(CultureInfo.InvariantCulture, $"b{milliseconds}");
            var id = await home.DetachAsync(
                "bash echo once >> once.txt\n---\ntext Done.", "--mode", "docker", "--branch", branch);
            await Task.Delay(milliseconds, Cancel);
            await home.KillHostAsync(id);
            await home.BerthAsync(Cancel, "ps");
            var run = await home.FinalAsync(id);

            Assert.Equal("succeeded", run.GetProperty("state").GetString());
            Assert.Equal("once\n", await home.GitAsync(Cancel, "show", $"{branch}:once.txt"));
            Assert.Null(await docker.FindAsync($"berth-{id}", Cancel));
        }

        await OneWaitsAsync(home);
        await GoneAsync(home);
    }

    public void Dispose() => docker.Dispose();

    private static async Task<BerthHome> CreateAsync(int most)
    {
        var home = await DockerHome.CreateAsync();
        home.Set("BERTH_DOCKER_WARM", most.ToString(CultureInfo.InvariantCulture));
        return home;
    }

    private static string Elsewhere(BerthHome home) => Path.Combine(home.Folder, "elsewhere");

    private static WarmSlots SlotsOf(BerthHome home) =>
        new(Directory.Exists(Elsewhere(home)) ? Elsewhere(home) : Path.Combine(home.Home, "runs"));

    private async Task<WarmRun> RunAsync(BerthHome home, string branch, params string[] options)
    {
        var id = await home.DetachAsync(Work, ["--mode", "docker", "--branch", branch, .. options]);
        var container = await Eventually.SomeAsync(
            () => Task.FromResult(ContainerRecord.Of(new RunDirectory(Path.Combine(home.Home, "runs", id)))),
            "a container",
            BerthHome.Patience);
        var run = await home.FinalAsync(id);
        Assert.True(
            run.GetProperty("state").GetString() is "succeeded", $"{run}\n{home.Journal(id)}");
        Assert.Equal(0, run.GetProperty("cleanup").GetProperty("leaked").GetArrayLength());
        Assert.Null(await docker.FindAsync($"berth-{id}", Cancel));
        var repository = run.GetProperty("repository").GetString()!;
        var seen = await BerthHome.GitInAsync(repository, Cancel, "show", $"{branch}:seen.txt");
        Assert.EndsWith($"\n/workspace {id}\n", seen, StringComparison.Ordinal);
        return new WarmRun(
            id, container.ContainerId, seen, home.Journal(id).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private async Task<WaitingSlot> OneWaitsAsync(BerthHome home)
    {
        var slot = await Eventually.SomeAsync(
            () => Task.FromResult(SlotsOf(home).Waiting().SingleOrDefault()), "a slot", BerthHome.Patience);
        var container = await docker.FindAsync(slot.Record.ContainerId, Cancel);
        Assert.True(container is { State.Paused: true });
        Assert.Equal($"/berth-warm-{slot.Name}", container!.Name);
        return slot;
    }

    private static Task HostEndsAsync(string id) => Eventually.TrueAsync(
        () => HomeRuns.HostsOf(id).Count == 0, $"the host of {id} has ended", BerthHome.Patience);

    // No host may be making one any more when the home goes.
    private async Task GoneAsync(BerthHome home)
    {
        foreach (var run in Directory.EnumerateDirectories(Path.Combine(home.Home, "runs")))
        {
            await HostEndsAsync(Path.GetFileName(run));
        }

        var cleaned = await home.BerthAsync(Cancel, "cleanup", "--all");
        Assert.True(cleaned.ExitCode == 0, cleaned.Error + cleaned.Output);
        Assert.Empty(Directory.EnumerateDirectories(SlotsOf(home).Folder));
        var owner = await File.ReadAllTextAsync(Path.Combine(home.Home, "runs", "docker-owner"), Cancel);
        Assert.Empty(await docker.ListAsync($"berth.home={owner}", Cancel));
    }

    private static async Task ExecuteAsync(string program, params string[] arguments) =>
        await Executors.ExecutorStage.ToolAsync(program, arguments);

    private static string? TypeOf(string line)
    {
        var data = JsonDocument.Parse(line).RootElement.GetProperty("data");
        return data.ValueKind == JsonValueKind.Object && data.TryGetProperty("type", out var type)
            ? type.GetString()
            : data.ValueKind.ToString();
    }

    private sealed record WarmRun(string Id, string Container, string Seen, IReadOnlyList<string> Journal);
}
