using Berth.Engine.Claude;

namespace Berth.SystemTests.Claude;

/// <summary>The rows of the tables of CLI behaviour that a verdict rests on.</summary>
internal static class CorpusCases
{
    /// <summary>The command that a tool runs when it is to be interrupted.</summary>
    public const string ToolCommand = "sleep 30";

    private const string Endless = "repeat forever\nbash echo turn {{turn}}";
    private const string InTool = $"bash {ToolCommand}\n---\ntext done";
    private const string Waiting = "hang";
    private const string Hidden = "tool Bash {\"command\":\"sleep 1; echo late\",\"run_in_background\":true}";
    private const string Denied =
        "bash touch forbidden\n---\ntool Write {\"file_path\":\"{{cwd}}/x\",\"content\":\"x\"}";

    private const string Schema =
        """{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}""";

    private const int Interrupt = 0;
    private const int Hup = 1;
    private const int Int = 2;
    private const int Quit = 3;
    private const int Kill = 9;
    private const int Term = 15;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. Successes(), .. Recoveries(), .. Limits(), .. ApiErrors(), .. Signals(), .. Startup(), .. EndingCases.All,
    ];

    private static IEnumerable<CorpusCase> Successes() =>
    [
        new("done", "thinking, text, and three tools", ClaudeEnd.Completed)
        {
            Script = "thinking Hm.\ntext First.\nbash echo hello > out.txt; echo said\n---\n"
                + "tool Read {\"file_path\":\"{{cwd}}/out.txt\"}\n"
                + "tool Write {\"file_path\":\"{{cwd}}/new.txt\",\"content\":\"x\"}\n---\ntext All done.",
            Turns = 3,
            Tokens = (3000, 300),
        },
        new("tools_denied", "a rule that does not match, and a tool that is not listed", ClaudeEnd.Completed)
        {
            Script = $"{Denied}\n---\nbash git --version\n---\ntext done",
            Allowed = ["Bash(git *)"],
            Turns = 4,
            Denials = ["Bash", "Write"],
            Warning = "Tool calls were denied",
        },
        new("mcp_server_failed", "a server that ends at once does not fail a run", ClaudeEnd.Completed)
        {
            Script = "text done",
            Mcp = """{"mcpServers":{"broken":{"command":"/bin/false"}}}""",
            Warning = "MCP server broken",
        },
        new("subagent", "its tokens count, its turns do not", ClaudeEnd.Completed)
        {
            Script = "tool Task {\"description\":\"d\",\"subagent_type\":\"general-purpose\",\"prompt\":"
                + "\"```script\\nbash echo sub\\n---\\ntext sub done\\n```\"}\n---\ntext done",
            Allowed = ["Bash", "Task"],
            Turns = 2,
            Tokens = (4000, 400),
        },
        new("background_task", "two results: the last one counts, usage adds up", ClaudeEnd.Completed)
        {
            Script = $"{Hidden}\n---\ntext first\n---\ntext second",
            Environment = Changed("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", null),
        },
    ];

    private static IEnumerable<CorpusCase> Recoveries() =>
    [
        new("overloaded_then_fine", "two retries, then an answer", ClaudeEnd.Completed)
        {
            Script = "error 529 times=2\ntext fine", Turns = 1,
        },
        new("cut_then_fine", "a stream that is cut once is asked for again", ClaudeEnd.Completed)
        {
            // Whether what had come before the cut counts as a turn is not always the same.
            Script = "start\ntext half\ncut times=1\ntext whole",
        },
        new("compaction", "the conversation grows too long and is summed up", ClaudeEnd.Completed)
        {
            Script = "bash echo a\n---\nbash echo b\n---\nusage in=970000\nbash echo c\n---\ntext done",
            Warning = "summed up",
        },
        new("max_tokens", "an answer that is too long is gone on with", ClaudeEnd.Completed)
        {
            Script = "text half\nstop max_tokens\n---\ntext the rest",
        },
        new("empty_answer", "an answer without content is asked for again once", ClaudeEnd.Completed)
        {
            Script = "repeat forever\nstart", Warning = "was empty",
        },
        new("fallback_model", "another model takes over after three overloads", ClaudeEnd.Completed)
        {
            Script = "error 529 times=3\ntext fine",
            Arguments = ["--fallback-model", "claude-sonnet-5"],
            Environment = Changed("CLAUDE_CODE_RETRY_WATCHDOG", null),
            Warning = "Another model took over",
        },
        new("json_schema_unused", "no structured output and yet a success", ClaudeEnd.Completed)
        {
            Script = "text no\n---\ntext still no", Arguments = ["--json-schema", Schema],
        },
    ];

    private static IEnumerable<CorpusCase> Limits() =>
    [
        new("max_turns", "--max-turns", ClaudeEnd.MaxTurns, "max_turns_reached")
        {
            Script = Endless, MaxTurns = 2, Turns = 2,
        },
        new("budget", "--max-budget-usd", ClaudeEnd.Budget, "budget_reached")
        {
            Script = Endless, MaxBudgetUsd = 0.01m, Tokens = (2000, 200),
        },
        new("prompt_too_long", "longer than the model can read", ClaudeEnd.TooLong, "prompt_too_long")
        {
            Prompt = new string('x', 6_000_000), Script = "text never", Turns = 0,
        },
        new("json_schema_never_valid", "--json-schema, five tries", ClaudeEnd.GaveUp, "structured_output_invalid")
        {
            Script = "repeat forever\ntool StructuredOutput {\"wrong\":1}",
            Allowed = ["StructuredOutput"],
            Arguments = ["--json-schema", Schema],
        },
        new("refusal", "twice", ClaudeEnd.Refused, "model_refused")
        {
            Script = "repeat forever\ntext no\nstop refusal",
        },
    ];

    private static IEnumerable<CorpusCase> ApiErrors() =>
    [
        Refused(400, "model_rejected_request"),
        Refused(401, "model_authentication_failed"),
        Refused(402, "model_billing"),
        Refused(403, "model_authentication_failed"),
        Refused(404, "model_not_found"),
        Refused(413, "prompt_too_long") with { End = ClaudeEnd.TooLong },
        Refused(429, "model_rate_limited"),
        Refused(500, "model_server_error"),
        Refused(529, "model_overloaded"),
        new("api_html", "a proxy's page with status 200", ClaudeEnd.ApiError, "model_answer_invalid")
        {
            Script = "body 200 text/html <h1>hi</h1>",
        },
        new("api_cut", "every answer is cut", ClaudeEnd.ApiError, "model_unreachable")
        {
            Script = "start\ncut", Environment = Retries("1"),
        },
        new("api_gone", "nothing listens on the socket", ClaudeEnd.ApiError, "model_unreachable")
        {
            Script = "text never", NoGateway = true, Environment = Retries("1"), Turns = 0,
        },
        new("usage_limit", "an account's limit, with the time when it ends", ClaudeEnd.ApiError, "model_rate_limited")
        {
            Script = "error 429 header=anthropic-ratelimit-unified-status:rejected "
                + "header=anthropic-ratelimit-unified-reset:1900000000 "
                + "header=anthropic-ratelimit-unified-representative-claim:five_hour limit",
            Environment = new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["ANTHROPIC_AUTH_TOKEN"] = null,
                ["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"] = null,
                ["CLAUDE_CODE_OAUTH_TOKEN"] = "sk-ant-oat01-made-up",
                ["CLAUDE_CODE_RETRY_WATCHDOG"] = null,
                ["CLAUDE_CODE_MAX_RETRIES"] = "1",
            },
            Message = "2030-03-17 17:46 UTC",
        },
        new("no_credentials", "no token at all", ClaudeEnd.ApiError, "model_authentication_failed")
        {
            Script = "text never",
            Environment = new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["ANTHROPIC_AUTH_TOKEN"] = null,
                ["ANTHROPIC_UNIX_SOCKET"] = null,
                ["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"] = null,
            },
        },
    ];

    private static IEnumerable<CorpusCase> Signals() =>
    [
        new("interrupt_waiting", "the request, while the model thinks", ClaudeEnd.Interrupted, "claude_interrupted")
        {
            Script = Waiting, Signal = Interrupt,
        },
        new("interrupt_in_tool", "the control request, in a tool", ClaudeEnd.Interrupted, "claude_interrupted")
        {
            Script = InTool, Signal = Interrupt, SignalAfter = "assistant",
        },
        new("sigint_in_tool", "SIGINT in a tool: exit 0 with a result", ClaudeEnd.Interrupted, "claude_interrupted")
        {
            Script = InTool, Signal = Int, SignalAfter = "assistant", Attempts = 3,
        },
        new("sigterm_in_tool", "exit 143, no result", ClaudeEnd.Crashed, "claude_terminated")
        {
            Script = InTool, Signal = Term, SignalAfter = "assistant", Turns = 1, Tokens = (1000, 1),
        },
        new("sigterm_waiting", "exit 143, no result", ClaudeEnd.Crashed, "claude_terminated")
        {
            Script = Waiting, Signal = Term,
        },
        new("sighup", "exit 129, no result", ClaudeEnd.Crashed, "claude_hung_up") { Script = Waiting, Signal = Hup },
        new("sigkill", "by the signal", ClaudeEnd.Crashed, "claude_killed") { Script = Waiting, Signal = Kill },
        new("sigquit", "by the signal", ClaudeEnd.Crashed, "claude_signalled") { Script = Waiting, Signal = Quit },
    ];

    private static IEnumerable<CorpusCase> Startup() =>
    [
        new("bad_flag", "an option that there is not", ClaudeEnd.NotStarted, "claude_startup_failed")
        {
            Script = "text never", Arguments = ["--no-such-flag"], Message = "unknown option",
        },
        new("bad_session_id", "not a UUID", ClaudeEnd.NotStarted, "claude_startup_failed")
        {
            Script = "text never",
            Without = "--session-id",
            Arguments = ["--session-id", "x"],
            Message = "Invalid session ID",
        },
        new("missing_prompt_file", "a file that there is not", ClaudeEnd.NotStarted, "claude_startup_failed")
        {
            Script = "text never", Arguments = ["--system-prompt-file", "/nowhere"], Message = "not found",
        },
        new("bad_input_line", "a line that is no JSON", ClaudeEnd.NotStarted, "claude_startup_failed")
        {
            RawInput = "not json\n",
        },
        new("no_input", "the input ends at once: exit 0 without a word", ClaudeEnd.NotStarted, "claude_no_result")
        {
            RawInput = "",
        },
        new("unknown_session", "--resume of a session that there is not", ClaudeEnd.NotStarted, "session_not_found")
        {
            Script = "text never",
            Without = "--session-id",
            Arguments = ["--resume", "00000000-0000-4000-8000-000000000000"],
        },
    ];

    private static CorpusCase Refused(int status, string code) =>
        new($"api_{status}", $"status {status} that is not to be tried again", ClaudeEnd.ApiError, code)
        {
            Script = $"error {status} should-retry=false scripted refusal", Turns = 0,
        };

    private static Dictionary<string, string?> Changed(string name, string? value) =>
        new(StringComparer.Ordinal) { [name] = value };

    private static Dictionary<string, string?> Retries(string count) => new(StringComparer.Ordinal)
    {
        ["CLAUDE_CODE_RETRY_WATCHDOG"] = null,
        ["CLAUDE_CODE_MAX_RETRIES"] = count,
    };
}
