using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Claude;

/// <summary>How the Claude Code CLI is called: arguments, environment, settings file and the prompt's line.</summary>
/// <remarks>
/// Each word here was tried with version 2.1.330 against the scripted model.
/// <c>--tools</c> removes every built-in tool that the workflow does not list. Without it Read, reading Bash commands,
/// Skill,
/// Task, Workflow and a dozen more run although no rule allows them. An MCP tool that is not listed is denied by
/// <c>dontAsk</c>;
/// under bypass only the hook of <see cref="Settings"/> stops it, which makes the CLI ask where somebody is to be
/// asked. A rule such as <c>Bash(git *)</c> still lets the CLI
/// run what
/// it knows to be reading only, for example <c>ls</c>.
/// <c>CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST</c> keeps the repository's <c>env.ANTHROPIC_*</c>, its proxy and its
/// <c>apiKeyHelper</c> out, and the placeholder token out of the Bash tool's environment.
/// The CLI cuts its retries down to 15 (six minutes) unless <c>CLAUDE_CODE_RETRY_WATCHDOG</c> is set. With it a gateway
/// may be
/// away for hours; the delays grow to 35 s. A status with <c>x-should-retry: false</c> is never tried again (a 400 is,
/// in six
/// variations, and a 404 once), so a gateway can hand on the true status.
/// </remarks>
internal static class ClaudeCommandLine
{
    /// <summary>What the CLI sends as its credential. It opens nothing: the gateway puts the real one in its
    /// place.</summary>
    public const string PlaceholderToken = "berth-placeholder";

    /// <summary>The longest prompt in UTF-8 bytes. The CLI itself takes no more than about 10 MB.</summary>
    public const int MaxPromptBytes = 10 * 1024 * 1024;

    // Bridges more than a day without a gateway; the run's own time limit is what counts.
    private const int Retries = 5000;

    // The gateway answers or refuses long before: it has retries and a deadline of its own.
    private const int ResponseMs = 600_000;

    // The model sends pings while it thinks, so two minutes of nothing mean a dead stream.
    private const int SilenceMs = 120_000;

    private const string DenyUnlisted = "echo 'The workflow does not allow this tool.' >&2; exit 2";

    // Left to itself the CLI lets pass what it knows to be reading only.
    private const string AskUnlisted =
        """
        echo '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"ask","permissionDecisionReason":
        """ + "\"No rule of the workflow covers it.\"}}'";

    private static readonly JavaScriptEncoder Readable = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    private static readonly Dictionary<string, string> Behaviour = new(StringComparer.Ordinal)
    {
        ["API_TIMEOUT_MS"] = ResponseMs.ToString(CultureInfo.InvariantCulture),
        ["CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS"] = SilenceMs.ToString(CultureInfo.InvariantCulture),
        ["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"] = "1",
        ["CLAUDE_CODE_DISABLE_FILE_MENTIONS"] = "1",
        ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1",
        ["CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK"] = "1",
        // Says of each request whether it is a turn, a subagent's, a summary or another helper's.
        ["CLAUDE_CODE_GATEWAY_HINT_HEADERS"] = "1",
        ["CLAUDE_CODE_MAX_RETRIES"] = Retries.ToString(CultureInfo.InvariantCulture),
        ["CLAUDE_CODE_RETRY_WATCHDOG"] = "1",
        ["CLAUDE_CODE_STARTUP_FAILURE_RESULTS"] = "1",
        ["DISABLE_AUTOUPDATER"] = "1",
    };

    /// <summary>The arguments, the program first. No prompt among them: see <see cref="InputLine"/>.</summary>
    public static IReadOnlyList<string> Argv(ClaudeInvocation i)
    {
        List<string> argv =
        [
            i.Claude, "-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
            .. i.ConversationFile is { } earlier ? ["--resume", earlier, "--fork-session"] : Array.Empty<string>(),
            "--session-id", i.SessionId,
            .. PermissionWords(i.PermissionMode),
            "--tools", string.Join(',', ToolNames.Offered(i)),
            "--setting-sources", i.Trust is Trust.Full ? "project,local" : "",
        ];
        if (i.Trust is not Trust.Full)
        {
            argv.Add("--strict-mcp-config");
        }

        if (i.AllowedTools.Count > 0)
        {
            // Not in the settings file: there, Edit(/docs/**) would be below the folder of that file and not below the
            // workspace.
            argv.AddRange(["--allowedTools", .. i.AllowedTools]);
        }

        if (i.Trust is Trust.Instructions)
        {
            // The CLI reads the instructions of a folder below only where the project's settings count as well.
            argv.AddRange(["--add-dir", i.Workspace, .. i.InstructionFolders]);
        }

        Add(argv, "--settings", i.SettingsFile);
        Add(argv, "--mcp-config", i.McpConfigFile);
        Add(argv, "--append-system-prompt-file", i.SystemPromptFile);
        Add(argv, "--model", i.Model);
        Add(argv, "--max-turns", i.MaxTurns?.ToString(CultureInfo.InvariantCulture));
        Add(argv, "--max-budget-usd", i.MaxBudgetUsd?.ToString(CultureInfo.InvariantCulture));
        return argv;
    }

    // Without the hidden option for the prompt tool the CLI denies what it would ask for.
    private static string[] PermissionWords(PermissionMode mode) => mode switch
    {
        PermissionMode.Bypass => ["--permission-mode", "bypassPermissions"],
        PermissionMode.Ask => ["--permission-mode", "default", "--permission-prompt-tool", "stdio"],
        _ => ["--permission-mode", "dontAsk"],
    };

    /// <summary>The variables that the CLI goes by. The composer adds PATH, the workflow's own and what the sandbox
    /// needs.</summary>
    public static IReadOnlyDictionary<string, string> Environment(ClaudeInvocation i)
    {
        var environment = new Dictionary<string, string>(Behaviour, StringComparer.Ordinal)
        {
            ["HOME"] = i.Home,
            ["CLAUDE_CONFIG_DIR"] = $"{i.Home.TrimEnd('/')}/.claude",
            ["ANTHROPIC_UNIX_SOCKET"] = i.GatewaySocket,
            // It must be http: over https the CLI speaks TLS on the socket. The name is never resolved.
            ["ANTHROPIC_BASE_URL"] = "http://berth-gateway",
            ["ANTHROPIC_AUTH_TOKEN"] = PlaceholderToken,
            ["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"] = "1",
            // Exactly 1: the CLI refuses bypass for root without it.
            ["IS_SANDBOX"] = "1",
        };
        if (i.Trust is Trust.Instructions)
        {
            environment["CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD"] = "1";
        }

        if (i.TempFolder is { } temp)
        {
            environment["TMPDIR"] = temp;
        }

        return environment;
    }

    /// <summary>Whether a variable has the value that every agent is given in any case.</summary>
    public static bool Sets(string name, string value) =>
        Behaviour.TryGetValue(name, out var set) && string.Equals(set, value, StringComparison.Ordinal);

    /// <summary>The content of the settings file. It outranks the repository's settings where those count at
    /// all.</summary>
    public static string Settings(ClaudeInvocation i)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = Readable, Indented = true }))
        {
            json.WriteStartObject();
            WriteGuard(json, i);
            if (i.Trust is Trust.Full)
            {
                json.WriteBoolean("enableAllProjectMcpServers", true);
                WriteBehaviour(json);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The one line of standard input: the prompt as a stream-json user message.</summary>
    /// <remarks>
    /// The prompt arrives as it is, whatever its first character, with one exception: one that begins with <c>/</c>
    /// gets a
    /// newline in front, for <c>/cost</c> and its like would run a command of the CLI and be a success without any
    /// work.
    /// </remarks>
    /// <exception cref="FailureException">The prompt is blank (the CLI would call that a success) or too
    /// long.</exception>
    public static byte[] InputLine(string prompt) => UserLine(prompt, uuid: null, priority: null);

    /// <summary>The same for a message to a conversation that goes on.</summary>
    /// <param name="message">The message.</param>
    /// <param name="uuid">By what the CLI names it in its <c>command_lifecycle</c> events.</param>
    /// <param name="priority"><c>now</c>, <c>next</c> or <c>later</c>.</param>
    /// <exception cref="FailureException">As for a prompt.</exception>
    public static byte[] UserLine(string message, string? uuid, string? priority)
    {
        if (PromptText.IsBlank(message))
        {
            throw new FailureException(
                "prompt_empty", "The prompt holds nothing that can be seen: only white space or invisible characters.",
                "Say what is to be done.", Fault.User);
        }

        // A lone surrogate cannot be written as UTF-8; it becomes U+FFFD here rather than an exception there.
        var bytes = Encoding.UTF8.GetBytes(message);
        if (bytes.Length > MaxPromptBytes)
        {
            FormattableString tooLong = $"The prompt has {bytes.Length} bytes; the most is {MaxPromptBytes}.";
            throw new FailureException(
                "prompt_too_large",
                tooLong.ToString(CultureInfo.InvariantCulture),
                "Put the long part into a file of the repository and name that in the prompt.",
                Fault.User);
        }

        var buffer = new ArrayBufferWriter<byte>(bytes.Length + 256);
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = Readable }))
        {
            json.WriteStartObject();
            json.WriteString("type", "user");
            json.WriteStartObject("message");
            json.WriteString("role", "user");
            json.WriteString("content", message[0] == '/' ? [(byte)'\n', .. bytes] : bytes);
            json.WriteEndObject();
            json.WriteNull("parent_tool_use_id");
            json.WriteString("session_id", "");
            WriteIfGiven(json, "uuid", uuid);
            WriteIfGiven(json, "priority", priority);
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteIfGiven(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteGuard(Utf8JsonWriter json, ClaudeInvocation i)
    {
        // A repository that is trusted in full could otherwise switch the guard off.
        json.WriteBoolean("disableAllHooks", false);
        json.WriteStartObject("hooks");
        json.WriteStartArray("PreToolUse");
        json.WriteStartObject();
        json.WriteString("matcher", ToolNames.Unlisted(i.AllowedTools));
        json.WriteStartArray("hooks");
        json.WriteStartObject();
        json.WriteString("type", "command");
        json.WriteString("command", i.PermissionMode is PermissionMode.Ask ? AskUnlisted : DenyUnlisted);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteBehaviour(Utf8JsonWriter json)
    {
        // A repository's settings outrank the environment, and these outrank the repository's.
        json.WriteStartObject("env");
        foreach (var (name, value) in Behaviour.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
    }

    private static void Add(List<string> argv, string option, string? value)
    {
        if (value is not null)
        {
            argv.AddRange([option, value]);
        }
    }
}
