using Berth.Engine.Executors;
using Berth.Engine.Executors.Local;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class ExecutionPlanTests : IDisposable
{
    private readonly RunDirectory run = new(Directory.CreateTempSubdirectory("berth-plan-").FullName);
    private readonly LocalExecutorOptions options = new()
    {
        RunsFolder = "/no/runs", SupervisorPath = "/no/supervisor", BubblewrapPath = "/bin/true", GitPath = "/bin/true",
    };

    public ExecutionPlanTests() => Directory.CreateDirectory(run.Workspace);

    private static ExecutionSpec Spec => new()
    {
        RunId = "run1",
        Argv = ["/opt/claude/true", "-p"],
        Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["HOME"] = "/home/agent" },
        Policy = new ExecutionPolicy { Sandbox = SandboxKind.Bubblewrap },
        ClaudeBinary = "/bin/true",
        Capture = new CapturePlan("abc", "message", "name", "mail"),
    };

    [Fact]
    public void In_the_sandbox_every_path_is_an_inside_path()
    {
        var layout = ExecutionPlan.LayOut(run, SandboxKind.Bubblewrap, "/bin/true");

        Assert.Equal(
            new ExecutionLayout(
                "/opt/claude/true", "/workspace", "/home/agent", "/tmp", "/run/berth/agent",
                "/run/berth/gateway/model.sock"),
            layout);
    }

    [Fact]
    public void Without_a_sandbox_every_path_is_the_hosts()
    {
        var layout = ExecutionPlan.LayOut(run, SandboxKind.None, "/bin/true");

        Assert.Equal((run.Workspace, run.Home, run.AgentFolder), (layout.Workspace, layout.Home, layout.AgentFolder));
        Assert.StartsWith(run.GatewayFolder, layout.GatewaySocket, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_is_an_array_behind_the_sandboxs_words_and_no_variable_is_in_it()
    {
        var spec = new ExecutionPlan(options).Build(run, Spec, null);

        Assert.Equal("/bin/true", spec.Agent.Argv[0]);
        Assert.Equal(["--", "/opt/claude/true", "-p"], spec.Agent.Argv.TakeLast(3), StringComparer.Ordinal);
        Assert.DoesNotContain("--setenv", spec.Agent.Argv, StringComparer.Ordinal);
        Assert.Equal(2, spec.Agent.Wrappers);
        Assert.Equal("run1", spec.Agent.Environment["BERTH_RUN_ID"]);
        Assert.Equal("bubblewrap", spec.Facts["sandbox"]);
    }

    [Fact]
    public void Capture_has_no_gateway_no_CLI_and_a_home_of_its_own()
    {
        var capture = new ExecutionPlan(options).Build(run, Spec, null).Capture!;

        Assert.DoesNotContain(run.GatewayFolder, capture.Prefix, StringComparer.Ordinal);
        Assert.DoesNotContain(run.AgentFolder, capture.Prefix, StringComparer.Ordinal);
        Assert.NotEqual(InsidePaths.Home, capture.Environment["HOME"]);
        Assert.Contains(run.CaptureFolder, capture.Prefix, StringComparer.Ordinal);
        Assert.Equal("/run/berth/capture/work.bundle", capture.Bundle);
        Assert.Equal("/dev/null", capture.Environment["GIT_CONFIG_GLOBAL"]);
    }

    [Fact]
    public void Without_a_sandbox_nothing_stands_before_the_command_and_it_is_called_weak()
    {
        var bare = Spec with { Policy = new ExecutionPolicy { Sandbox = SandboxKind.None, MemoryBytes = 1L << 30 } };

        var spec = new ExecutionPlan(options).Build(run, bare, null);

        Assert.Equal(bare.Argv, spec.Agent.Argv, StringComparer.Ordinal);
        Assert.Equal((0, run.Workspace), (spec.Agent.Wrappers, spec.Agent.WorkingDirectory));
        Assert.Equal("none (weak)", spec.Facts["sandbox"]);
        Assert.Equal("not available on this system", spec.Facts["memoryLimit"]);
    }

    [Theory]
    [InlineData("relative")]
    [InlineData("/")]
    [InlineData("/a/../b")]
    public void A_mount_at_a_path_that_is_no_plain_one_is_refused(string inside) =>
        Assert.Equal("mount_invalid", Refusal(Spec with
        {
            Policy = Spec.Policy with { Mounts = [new HostMount("/usr", inside)] },
        }));

    [Fact]
    public void What_cannot_work_is_refused_by_its_own_code()
    {
        Assert.Equal("mount_missing", Refusal(Spec with
        {
            Policy = Spec.Policy with { Mounts = [new HostMount("/no/such/folder", "/x")] },
        }));
        Assert.Equal("limit_invalid", Refusal(Spec with { Policy = Spec.Policy with { MemoryBytes = 1 } }));
        Assert.Equal("limit_invalid", Refusal(Spec with { Policy = Spec.Policy with { Processes = 1 } }));
        Assert.Equal("cli_not_found", Refusal(Spec with { ClaudeBinary = "/no/such/cli" }));
        Assert.Equal("cli_not_executable", Refusal(Spec with { ClaudeBinary = "/usr" }));
        Assert.Equal("cli_wrong_architecture", Refusal(Spec with { ClaudeBinary = Executable("text") }));
        Assert.Equal("bubblewrap_missing", Refusal(Spec, options with { BubblewrapPath = "/no/bwrap" }));
        Assert.Equal("git_missing", Refusal(Spec, options with { GitPath = "/no/git" }));
        Assert.Equal("git_missing", Refusal(Spec, options with { GitPath = Executable("git") }));
        Directory.Delete(run.Workspace);
        Assert.Equal("workspace_missing", Refusal(Spec));
    }

    [Fact]
    public void A_script_and_a_link_to_a_program_can_be_the_CLI()
    {
        var script = Path.Combine(run.Root, "script");
        File.WriteAllText(script, "#!/bin/sh\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var link = Path.Combine(run.Root, "link");
        File.CreateSymbolicLink(link, script);

        Assert.Null(ClaudeProgram.Inspect(ClaudeProgram.Resolve(link)));
        Assert.Equal(script, ClaudeProgram.Resolve(link));
        Assert.Equal("/no/such/link", ClaudeProgram.Resolve("/no/such/link"));
    }

    public void Dispose() => Directory.Delete(run.Root, recursive: true);

    private string Executable(string name)
    {
        var path = Path.Combine(run.Root, name);
        File.WriteAllText(path, "neither a script nor a program");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return path;
    }

    private string Refusal(ExecutionSpec spec, LocalExecutorOptions? with = null) =>
        Assert.Throws<FailureException>(() => new ExecutionPlan(with ?? options).Check(run, spec)).Failure.Code;
}
