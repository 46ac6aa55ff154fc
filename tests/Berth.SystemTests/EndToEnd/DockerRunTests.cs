using System.Globalization;
using System.Text;
using System.Text.Json;
using Berth.Engine.Docker;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Whole runs of the real CLI in containers.</summary>
public sealed class DockerRunTests
{
    private const int Kill = 9;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_in_a_container_leaves_its_file_on_the_branch_and_nothing_else()
    {
        await using var home = await DockerHome.CreateAsync();
        await home.GitAsync(Cancel, "commit", "-q", "--allow-empty", "-m", "Second");
        var (command, run) = await home.RunAsync(
            "bash echo done > done.txt; git log --format=%s | head -n 1\n---\ntext It says {{last}}",
            Cancel, "--mode", "docker", "--branch", "b");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Equal("docker", run.GetProperty("mode").GetString());
        Assert.Equal("--mode says docker", run.GetProperty("modeReason").GetString());
        Assert.Equal("container", run.GetProperty("sandbox").GetString());
        Assert.Contains("Second", run.GetProperty("result").GetString(), StringComparison.Ordinal);
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:done.txt"));
        Assert.Equal(0, run.GetProperty("cleanup").GetProperty("leaked").GetArrayLength());
        Assert.Empty(await DockerHome.ContainersOfAsync(run.GetProperty("id").GetString()!));
        Assert.All(home.Model.Requests, request => Assert.Equal(BerthHome.DummyKey, request.Headers["x-api-key"]));
    }

    [Fact]
    public async Task From_inside_a_container_nothing_of_the_host_can_be_seen_or_reached()
    {
        await using var home = await DockerHome.CreateAsync();
        await File.WriteAllTextAsync(Path.Combine(home.Folder, "user", "secret.txt"), "canary-of-the-user", Cancel);
        var script = $$"""
            echo "root=$([ "$(id -u)" = 0 ] && echo yes || echo no)"
            echo "groups=$(id -G | wc -w)"
            echo "name=$(whoami)"
            echo "capabilities=$(grep -E '^Cap' /proc/self/status | grep -cv 0000000000000000)"
            echo "privileges=$(grep NoNewPrivs /proc/self/status | tr -dc 01)"
            echo "key=$(cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -c '{{BerthHome.DummyKey}}')"
            echo "init=$(cat /proc/1/environ /proc/1/maps 2>/dev/null | wc -c)$(ls /proc/1/fd /proc/1/root 2>/dev/null)"
            echo "home=$(ls {{home.Folder}}/user 2>/dev/null | wc -l)"
            echo "run=$(ls /run/berth/supervisor 2>/dev/null | wc -l)$(ls /run/berth/supervisor/run 2>/dev/null | wc -l)"
            echo "docker=$(ls /var/run/docker.sock /run/docker.sock 2>/dev/null | wc -l)"
            echo "shadow=$(cat /etc/shadow 2>/dev/null | wc -l)"
            echo "interfaces=$(ls /sys/class/net 2>/dev/null | grep -cv '^lo$')"
            echo "tcp=$( (exec 3<>/dev/tcp/127.0.0.1/{{home.Model.Uri!.Port}}) 2>/dev/null && echo open || echo closed)"
            echo "host=$(kill -0 {{Environment.ProcessId}} 2>/dev/null && echo seen || echo unseen)"
            echo "written=$(for f in / /usr /etc /opt/claude /opt/berth /run /run/berth /run/berth/agent \
                /run/berth/gateway /var; do touch $f/canary 2>/dev/null && echo $f; done | wc -l)"
            echo "own=$(for f in /workspace /home/agent /tmp /var/tmp; do touch $f/mine && rm $f/mine && echo $f
                done | wc -l)"
            """;
        var (command, run) = await home.RunAsync(
            $"bash <<END\n{script}\nEND\n---\ntext {{{{last}}}}", Cancel, "--mode", "docker");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Equal(
            [
                "root=no", "groups=1", "name=agent", "capabilities=0", "privileges=1", "key=0", "init=0", "home=0",
                "run=00", "docker=0", "shadow=0", "interfaces=0", "tcp=closed", "host=unseen", "written=0", "own=4",
            ],
            run.GetProperty("result").GetString()!.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            StringComparer.Ordinal);
    }

    [Fact]
    public async Task B23_B24_No_secret_is_in_a_containers_configuration_and_what_looks_like_an_option_is_text()
    {
        const string Secret = "secret-of-the-user-1234";
        const string Odd = "\"quoted\" --privileged $(id) `id` ; & line";
        await using var home = await DockerHome.CreateAsync();
        var id = await DetachAsync(
            home, "bash printf '%s' \"$ODD\" > odd.txt; touch started; sleep 3\n---\ntext Done.",
            "--env", $"TOKEN={Secret}", "--env", $"ODD={Odd}", "--branch", "b");
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(home.Home, "runs", id, "workspace", "started")), "the agent works",
            BerthHome.Patience);
        var inspected = await InspectAsync($"berth-{id}");
        var commands = CommandLinesOf(id);
        var run = await FinalAsync(home, id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal(Odd, await home.GitAsync(Cancel, "show", "b:odd.txt"));
        Assert.NotEmpty(commands);
        foreach (var shown in commands.Append(inspected))
        {
            Assert.DoesNotContain(Secret, shown, StringComparison.Ordinal);
            Assert.DoesNotContain(BerthHome.DummyKey, shown, StringComparison.Ordinal);
            Assert.DoesNotContain("--privileged", shown, StringComparison.Ordinal);
        }

        using var document = JsonDocument.Parse(inspected);
        var config = document.RootElement.GetProperty("HostConfig");
        Assert.False(config.GetProperty("Privileged").GetBoolean());
        Assert.Equal("none", config.GetProperty("NetworkMode").GetString());
        Assert.True(config.GetProperty("ReadonlyRootfs").GetBoolean());
        Assert.Equal("none", config.GetProperty("LogConfig").GetProperty("Type").GetString());
        Assert.Equal("no", config.GetProperty("RestartPolicy").GetProperty("Name").GetString());
    }

    [Fact]
    public async Task A01_Kill_9_of_the_host_and_the_next_command_adopts_the_run_in_its_container()
    {
        await using var home = await DockerHome.CreateAsync();
        var id = await DetachAsync(
            home, "bash touch started; sleep 3\n---\nbash echo after > after.txt\n---\ntext All done.", "--branch",
            "b");
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(home.Home, "runs", id, "workspace", "started")), "the agent works",
            BerthHome.Patience);
        KillHost(id);
        await home.BerthAsync(Cancel, "ps");
        var run = await FinalAsync(home, id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("after\n", await home.GitAsync(Cancel, "show", "b:after.txt"));
        var lines = await File.ReadAllLinesAsync(Path.Combine(home.Home, "runs", id, "events.ndjson"), Cancel);
        var seqs = lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("seq").GetInt32()).ToList();
        Assert.Equal(Enumerable.Range(1, seqs.Count), seqs);
        Assert.Empty(await DockerHome.ContainersOfAsync(id));
    }

    [Fact]
    public async Task A02_Kill_9_of_the_host_at_moments_of_a_start_gives_one_run_and_no_container_is_left()
    {
        await using var home = await DockerHome.CreateAsync();
        for (var milliseconds = 0; milliseconds <= 1200; milliseconds += 300)
        {
            var branch = string.Create(CultureInfo.InvariantCulture, $"b{milliseconds}");
            var id = await DetachAsync(home, "bash echo once >> once.txt\n---\ntext Done.", "--branch", branch);
            await Task.Delay(milliseconds, Cancel);
            KillHost(id);
            await home.BerthAsync(Cancel, "ps");
            var run = await FinalAsync(home, id);

            Assert.Equal("succeeded", run.GetProperty("state").GetString());
            Assert.Equal("once\n", await home.GitAsync(Cancel, "show", $"{branch}:once.txt"));
            Assert.Empty(await DockerHome.ContainersOfAsync(id));
        }
    }

    [Fact]
    public async Task A_mode_that_cannot_be_had_is_refused_by_name_and_auto_takes_the_other_one()
    {
        await using var home = await DockerHome.CreateAsync();
        home.Set("DOCKER_HOST", "unix:///nowhere/docker.sock");
        var refused = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("text Hi."), "--json", "--mode", "docker");
        home.Set("CLAUDE_CODE_MODE", "auto");
        var (command, run) = await home.RunAsync("text Hi.", Cancel);

        var error = refused.Json.GetProperty("error");
        Assert.Equal((5, "docker_unreachable"), (refused.ExitCode, error.GetProperty("code").GetString()));
        Assert.Contains("unix:///nowhere/docker.sock", error.GetProperty("message").GetString(),
            StringComparison.Ordinal);
        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("local", run.GetProperty("mode").GetString());
        Assert.StartsWith(
            "CLAUDE_CODE_MODE says auto, and Docker cannot be used: ", run.GetProperty("modeReason").GetString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Auto_takes_Docker_where_it_can_be_used_and_one_home_has_runs_of_both_modes_at_once()
    {
        await using var home = await DockerHome.CreateAsync();
        var ids = new List<string>();
        foreach (var mode in new[] { "auto", "local" })
        {
            ids.Add(await DetachAsync(home, $"bash echo {mode} > {mode}.txt; sleep 1\n---\ntext Done.", "--branch",
                mode, "--mode", mode));
        }

        var runs = new List<JsonElement>();
        foreach (var id in ids)
        {
            runs.Add(await FinalAsync(home, id));
        }

        Assert.All(runs, run => Assert.Equal("succeeded", run.GetProperty("state").GetString()));
        Assert.Equal(["docker", "local"], runs.Select(run => run.GetProperty("mode").GetString()));
        Assert.Equal("--mode says auto, and Docker can be used", runs[0].GetProperty("modeReason").GetString());
        Assert.Equal("auto\n", await home.GitAsync(Cancel, "show", "auto:auto.txt"));
        Assert.Equal("local\n", await home.GitAsync(Cancel, "show", "local:local.txt"));
    }

    [Fact]
    public async Task The_run_image_is_built_with_progress_and_runs_without_any_mounted_program()
    {
        const string Tag = "berth-test-built:1";
        await using var home = await DockerHome.CreateAsync();
        var built = await home.BerthAsync(
            Cancel, "image", "build", "--base", SystemTestEnvironment.RunImage, "--network", "none", "--tag", Tag,
            "--json");
        Assert.True(built.ExitCode == 0, built.Error + built.Output);
        Assert.Contains("Step 1/", built.Error, StringComparison.Ordinal);
        Assert.Equal(Tag, built.Json.GetProperty("image").GetString());

        var id = await DetachAsync(
            home, "bash touch started; sleep 2\n---\ntext Done.", "--image", Tag, "--mode", "docker");
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(home.Home, "runs", id, "workspace", "started")), "the agent works",
            BerthHome.Patience);
        var inspected = await InspectAsync($"berth-{id}");
        var run = await FinalAsync(home, id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.DoesNotContain("\"/opt/claude\"", inspected, StringComparison.Ordinal);
        Assert.DoesNotContain("\"/opt/berth\"", inspected, StringComparison.Ordinal);
    }

    private static async Task<BerthHome> CreateAsync()
    {
        var host = SystemTestEnvironment.DockerHost;
        var home = await BerthHome.CreateAsync(Cancel);
        home.Set("DOCKER_HOST", host);
        home.Set("BERTH_IMAGE", SystemTestEnvironment.RunImage);
        home.Set("BERTH_SUPERVISOR", SystemTestEnvironment.PublishedSupervisor);
        return home;
    }

    private static async Task<string> DetachAsync(BerthHome home, string script, params IReadOnlyList<string> options)
    {
        IReadOnlyList<string> mode = options.Contains("--mode", StringComparer.Ordinal) ? [] : ["--mode", "docker"];
        var command = await home.BerthAsync(
            Cancel, ["run", "implement", BerthHome.Prompt(script), "--detach", .. mode, .. options]);
        Assert.True(command.ExitCode == 0, command.Error);
        return command.Output.Trim();
    }

    private static async Task<JsonElement> FinalAsync(BerthHome home, string id)
    {
        JsonElement run = default;
        await Eventually.TrueAsync(
            async () =>
            {
                run = (await home.BerthAsync(Cancel, "show", id, "--json")).Json;
                return run.GetProperty("cleanup").GetProperty("state").GetString() is not "pending"
                    && run.GetProperty("finishedAt").ValueKind != JsonValueKind.Null;
            },
            $"run {id} is final",
            BerthHome.Patience);
        return run;
    }

    private static void KillHost(string id)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && Words(folder) is [_, "host", var named, ..] && string.Equals(named, id, StringComparison.Ordinal))
            {
                Berth.Protocol.Posix.ProcessIdentity.Of(pid)?.Signal(Kill);
            }
        }
    }

    private static List<string> CommandLinesOf(string id) =>
    [
        .. from folder in Directory.EnumerateDirectories("/proc")
           where int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out _)
           let words = Words(folder)
           where words.Any(word => word.Contains(id, StringComparison.Ordinal)
               || word.StartsWith("/opt/", StringComparison.Ordinal))
           select string.Join(' ', words),
    ];

    private static string[] Words(string folder)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(folder, "cmdline"))).Split('\0');
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static async Task<string> InspectAsync(string container)
    {
        var endpoint = DockerEndpoint.Parse(SystemTestEnvironment.DockerHost);
        using var transport = new DockerTransport(endpoint, TimeProvider.System);
        var request = new DockerRequest(HttpMethod.Get, $"containers/{container}/json", TimeSpan.FromSeconds(10));
        return Encoding.UTF8.GetString((await transport.AskAsync(request, Cancel)).Body.Span);
    }
}
