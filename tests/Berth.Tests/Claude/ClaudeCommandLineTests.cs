using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Berth.Engine.Claude;
using Berth.Protocol;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Claude;

public sealed class ClaudeCommandLineTests
{
    private static readonly ClaudeInvocation Plain = new()
    {
        Claude = "/opt/claude/claude",
        Workspace = "/workspace",
        Home = "/home/agent",
        GatewaySocket = "/run/berth/gateway/model.sock",
        SystemPromptFile = null,
        McpConfigFile = null,
        SettingsFile = "/run/berth/agent/settings.json",
        SessionId = "11111111-2222-4333-8444-555555555555",
        AllowedTools = ["Read", "Bash(git log *)", "Bash(git diff *)", "Edit(docs/**)", "mcp__srv__tool", "mcp__all"],
    };

    [Fact]
    public void The_listed_tools_are_all_that_there_are()
    {
        var argv = ClaudeCommandLine.Argv(Plain);

        Assert.Equal("Read,Bash,Edit,Write", After(argv, "--tools"));
        Assert.Equal("dontAsk", After(argv, "--permission-mode"));
        var rules = argv.SkipWhile(word => word is not "--allowedTools").Skip(1).Take(6);
        Assert.Equal(Plain.AllowedTools, rules, StringComparer.Ordinal);
        Assert.Equal("", After(ClaudeCommandLine.Argv(Plain with { AllowedTools = [] }), "--tools"));
        Assert.DoesNotContain(
            "--allowedTools", ClaudeCommandLine.Argv(Plain with { AllowedTools = [] }), StringComparer.Ordinal);
    }

    [Fact]
    public void Options_appear_where_they_are_asked_for()
    {
        var argv = ClaudeCommandLine.Argv(Plain with
        {
            SystemPromptFile = "/p", McpConfigFile = "/m", Model = "opus", MaxTurns = 7, MaxBudgetUsd = 1.5m,
            PermissionMode = PermissionMode.Bypass,
        });

        Assert.Equal("/p", After(argv, "--append-system-prompt-file"));
        Assert.Equal("/m", After(argv, "--mcp-config"));
        Assert.Equal("opus", After(argv, "--model"));
        Assert.Equal("7", After(argv, "--max-turns"));
        Assert.Equal("1.5", After(argv, "--max-budget-usd"));
        Assert.Equal("bypassPermissions", After(argv, "--permission-mode"));
        Assert.DoesNotContain("--model", ClaudeCommandLine.Argv(Plain), StringComparer.Ordinal);
    }

    [Fact]
    public void Where_somebody_is_asked_the_common_tools_are_offered_and_unlisted_ones_ask()
    {
        var asking = Plain with { PermissionMode = PermissionMode.Ask, AllowedTools = ["Bash(git *)", "Glob"] };
        var argv = ClaudeCommandLine.Argv(asking);
        var settings = JsonDocument.Parse(ClaudeCommandLine.Settings(asking)).RootElement;
        var command = settings.GetProperty("hooks").GetProperty("PreToolUse")[0].GetProperty("hooks")[0]
            .GetProperty("command").GetString()!;

        Assert.Equal("default", After(argv, "--permission-mode"));
        Assert.Equal("stdio", After(argv, "--permission-prompt-tool"));
        Assert.Equal("Bash,Glob,Edit,NotebookEdit,Read,Task,WebFetch,WebSearch,Write", After(argv, "--tools"));
        var said = JsonDocument.Parse(command["echo '".Length..^1]).RootElement.GetProperty("hookSpecificOutput");
        Assert.Equal("ask", said.GetProperty("permissionDecision").GetString());
        Assert.DoesNotContain("--permission-prompt-tool", ClaudeCommandLine.Argv(Plain), StringComparer.Ordinal);
    }

    [Fact]
    public void A_message_has_its_id_and_its_priority_and_a_prompt_has_none()
    {
        var message = JsonDocument.Parse(ClaudeCommandLine.UserLine("/cost", "an-id", "later")).RootElement;
        var prompt = JsonDocument.Parse(ClaudeCommandLine.InputLine("hello")).RootElement;

        Assert.Equal(("an-id", "later", "\n/cost"), (
            message.GetProperty("uuid").GetString(), message.GetProperty("priority").GetString(),
            message.GetProperty("message").GetProperty("content").GetString()));
        Assert.False(prompt.TryGetProperty("uuid", out _) || prompt.TryGetProperty("priority", out _));
    }

    [Theory]
    [InlineData(Trust.None, "", true, false)]
    [InlineData(Trust.Instructions, "", true, true)]
    [InlineData(Trust.Full, "project,local", false, false)]
    public void Trust_decides_what_of_the_repository_counts(object given, string sources, bool strict, bool adds)
    {
        var invocation = Plain with { Trust = (Trust)given };
        var argv = ClaudeCommandLine.Argv(invocation);
        var environment = ClaudeCommandLine.Environment(invocation);

        Assert.Equal(sources, After(argv, "--setting-sources"));
        Assert.Equal(strict, argv.Contains("--strict-mcp-config", StringComparer.Ordinal));
        Assert.Equal(adds, argv.Contains("--add-dir", StringComparer.Ordinal));
        Assert.Equal(adds, environment.ContainsKey("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD"));
        Assert.Equal("1", environment["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"]);
    }

    [Fact]
    public void The_environment_leads_to_the_gateway_and_holds_no_key()
    {
        var environment = ClaudeCommandLine.Environment(Plain with { TempFolder = "/tmp" });

        Assert.Equal("/run/berth/gateway/model.sock", environment["ANTHROPIC_UNIX_SOCKET"]);
        Assert.StartsWith("http://", environment["ANTHROPIC_BASE_URL"], StringComparison.Ordinal);
        Assert.Equal(ClaudeCommandLine.PlaceholderToken, environment["ANTHROPIC_AUTH_TOKEN"]);
        Assert.Equal("/home/agent/.claude", environment["CLAUDE_CONFIG_DIR"]);
        Assert.Equal("/tmp", environment["TMPDIR"]);
    }

    [Theory]
    [InlineData("Read", true)]
    [InlineData("Bash", true)]
    [InlineData("Write", true)]
    [InlineData("mcp__srv__tool", true)]
    [InlineData("mcp__all__anything", true)]
    [InlineData("Task", false)]
    [InlineData("mcp__srv__other", false)]
    [InlineData("mcp__allx__tool", false)]
    [InlineData("ReadX", false)]
    public void The_guard_stops_every_tool_that_is_not_listed(string tool, bool listed)
    {
        using var settings = JsonDocument.Parse(ClaudeCommandLine.Settings(Plain));
        var hook = settings.RootElement.GetProperty("hooks").GetProperty("PreToolUse")[0];

        var matcher = hook.GetProperty("matcher").GetString()!;
        var pattern = new Regex(matcher, RegexOptions.ECMAScript, TimeSpan.FromSeconds(5));
        Assert.Equal(!listed, pattern.IsMatch(tool));
        var command = hook.GetProperty("hooks")[0].GetProperty("command").GetString();
        Assert.EndsWith("exit 2", command, StringComparison.Ordinal);
        Assert.False(settings.RootElement.GetProperty("disableAllHooks").GetBoolean());
    }

    [Fact]
    public void Task_and_agent_are_one_tool_and_a_star_stands_for_all_of_a_server()
    {
        Assert.Equal("^(?!(?:Task|Agent|mcp__s__.*)$)", ToolNames.Unlisted(["Task", "Agent", "mcp__s__*"]));
        Assert.Equal("^(?!(?:)$)", ToolNames.Unlisted([]));
    }

    [Fact]
    public void Settings_outrank_a_trusted_repositorys()
    {
        using var settings = JsonDocument.Parse(ClaudeCommandLine.Settings(Plain with { Trust = Trust.Full }));

        var environment = settings.RootElement.GetProperty("env");
        Assert.Equal("1", environment.GetProperty("CLAUDE_CODE_DISABLE_FILE_MENTIONS").GetString());
        Assert.True(settings.RootElement.GetProperty("enableAllProjectMcpServers").GetBoolean());
    }

    [Theory]
    [InlineData("-p --help")]
    [InlineData("@/etc/passwd")]
    [InlineData("$(touch x) `id` \" ' \\ \t \r\n a\0b \u2028 \U0001F600")]
    public void A_prompt_is_one_line_and_arrives_exactly(string prompt)
    {
        var line = ClaudeCommandLine.InputLine(prompt);

        Assert.Equal(line.Length - 1, Array.IndexOf(line, (byte)'\n'));
        Assert.Equal(prompt, Content(line));
    }

    [Fact]
    public void Any_text_arrives_exactly_but_for_a_slash_in_front()
    {
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(200), Prop.ForAll(ArbMap.Default.ArbFor<string>(), prompt =>
        {
            if (prompt is null || PromptText.IsBlank(prompt))
            {
                return true;
            }

            var whole = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(prompt));
            var expected = whole[0] == '/' ? "\n" + whole : whole;
            return string.Equals(expected, Content(ClaudeCommandLine.InputLine(prompt)), StringComparison.Ordinal);
        }));
    }

    [Fact]
    public void A_slash_command_is_text() => Assert.Equal("\n/cost", Content(ClaudeCommandLine.InputLine("/cost")));

    [Fact]
    public void Nine_megabytes_fit_and_ten_mebibytes_are_the_most()
    {
        Assert.Equal(9_000_000, Content(ClaudeCommandLine.InputLine(new string('x', 9_000_000))).Length);
        var tooLong = new string('x', ClaudeCommandLine.MaxPromptBytes + 1);
        Assert.Equal("prompt_too_large", Refusal(tooLong));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n\t")]
    public void A_blank_prompt_is_refused_because_the_cli_would_call_it_a_success(string prompt) =>
        Assert.Equal("prompt_empty", Refusal(prompt));

    private static string Refusal(string prompt) =>
        Assert.Throws<FailureException>(() => ClaudeCommandLine.InputLine(prompt)).Failure.Code;

    private static string Content(byte[] line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.GetProperty("message").GetProperty("content").GetString()!;
    }

    private static string After(IReadOnlyList<string> argv, string option) =>
        argv.SkipWhile(word => !string.Equals(word, option, StringComparison.Ordinal)).ElementAt(1);
}
