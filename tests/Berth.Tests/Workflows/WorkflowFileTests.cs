using System.Text;
using Berth.Engine.Workflows;
using Berth.Protocol;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Workflows;

public sealed class WorkflowFileTests
{
    public static TheoryData<string, string, string> BadPromptsAndTools => new()
    {
        // prompt.md
        { "prompt.md", "", "prompt.md:1:1: expected a line that describes the workflow" },
        { "prompt.md", " \n\n# \n", "prompt.md:1:1: expected a line that describes the workflow" },
        { "prompt.md", "Fine.\nNot\0fine", "prompt.md:2:4: expected text, found a NUL character" },

        // allowed_tools.json
        {
            "allowed_tools.json", "",
            "allowed_tools.json:1:1: expected JSON: The input does not contain any JSON tokens"
        },
        {
            "allowed_tools.json", "{\"Read\": true}",
            "allowed_tools.json:1:1: expected a flat array of tool rules, found an object"
        },
        { "allowed_tools.json", "[\n  \"Read\",\n  7\n]", "allowed_tools.json:3:3: expected a tool rule" },
        { "allowed_tools.json", "[\"Read\",\n [\"Edit\"]]", "allowed_tools.json:2:2: expected a tool rule" },
        {
            "allowed_tools.json", "[\"Read\",]",
            "allowed_tools.json:1:9: expected JSON: The JSON array contains a trailing comma"
        },
        {
            "allowed_tools.json", "[\"Read\"] x",
            "allowed_tools.json:1:10: expected JSON: 'x' is invalid after a single JSON value"
        },
        { "allowed_tools.json", "[\"ä\", \"read\"]", "allowed_tools.json:1:2: expected a tool rule" },
        { "allowed_tools.json", "[\"Ünit\"\n, \"read\"]", "allowed_tools.json:1:2: expected a tool rule" },
        {
            "allowed_tools.json", "[\"bash(git *)\"]",
            "1:2: expected \"Bash\", for upper and lower case count, found \"bash(git *)\""
        },
        { "allowed_tools.json", "[\"Bash(git *\"]", "1:2: expected a tool rule" },
        { "allowed_tools.json", "[\"Bash()\"]", "1:2: expected a tool rule" },
        { "allowed_tools.json", "[\"Bash(a\\nb)\"]", "1:2: expected a tool rule" },
        { "allowed_tools.json", "[\"--dangerous\"]", "1:2: expected a tool rule" },
        {
            "allowed_tools.json", "[\"Write(/A.md)\"]",
            "1:2: expected \"Edit(/A.md)\", for a pattern of Edit counts for Write too"
        },
        { "allowed_tools.json", "[\"\"]", "1:2: expected a tool rule: " },
        { "allowed_tools.json", "[\"\\ud800\"]", "1:2: expected JSON: " },
        {
            "allowed_tools.json", "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
            "expected JSON: The maximum configured depth of 16"
        },
    };

    public static TheoryData<string, string, string> BadServersAndVariables => new()
    {
        // .mcp.json
        { ".mcp.json", "{}", ".mcp.json:1:1: expected an object with \"mcpServers\"" },
        { ".mcp.json", "[]", ".mcp.json:1:1: expected an object with \"mcpServers\"" },
        { ".mcp.json", "{\"mcpServers\": 1}", ".mcp.json:1:16: expected an object with \"mcpServers\"" },
        { ".mcp.json", "{\"mcpServers\": {\"a b\": {}}}", "1:17: expected a server's name of 1 to 64" },
        {
            ".mcp.json", "{\"mcpServers\": {\"a\": []}}",
            "1:22: expected an object that describes a server, found an array"
        },
        {
            ".mcp.json", "{\"mcpServers\": {\n\"a\": {}}}",
            "2:1: expected the server \"a\" to have \"command\", found none"
        },
        {
            ".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"\"}}}",
            "1:34: expected the program to start, found an empty string"
        },
        {
            ".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": \"y\"}}}",
            "1:47: expected an array of strings"
        },
        {
            ".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [1]}}}",
            "1:48: expected a string, found 1"
        },
        {
            ".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"env\": {\"A\": true}}}}",
            "1:52: expected a string, found true"
        },
        { ".mcp.json", "{\"mcpServers\": {\"a\": {\"type\": \"http\"}}}", "expected the server \"a\" to have \"url\"" },
        {
            ".mcp.json", "{\"mcpServers\": {\"a\": {\"type\": null}}}",
            "1:31: expected \"stdio\", \"http\", \"sse\" or \"ws\", found null"
        },
        {
            ".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"a\": {}}}",
            "1:40: expected each name once, found \"a\" again"
        },

        // .env
        { ".env", "A=1\nno value", ".env:2:1: expected NAME=VALUE" },
        { ".env", "1A=2", ".env:1:1: expected NAME=VALUE" },
        { ".env", "A B=2", ".env:1:1: expected NAME=VALUE" },
        { ".env", "=2", ".env:1:1: expected NAME=VALUE" },
        { ".env", "export", ".env:1:1: expected NAME=VALUE" },
        { ".env", "A=1\nB='one\ntwo", ".env:2:3: expected a closing ' for the one that stands here" },
        { ".env", "A=\"x\" y", ".env:1:7: expected the end of the line or a # after the closing quote" },
        { ".env", "A=1\n  A=2", ".env:2:3: expected each variable once, found A again" },
        {
            ".env", "ANTHROPIC_API_KEY=sk-1",
            ".env:1:1: expected a variable that a workflow may set; ANTHROPIC_API_KEY is set by Berth"
        },
        {
            ".env", "export LD_PRELOAD=/x.so",
            ".env:1:8: expected a variable that a workflow may set; LD_PRELOAD would change"
        },
    };

    public static TheoryData<string, string, string> BadSettings => new()
    {
        { "workflow.json", "[]", "workflow.json:1:1: expected an object of settings, found an array" },
        {
            "workflow.json", "{\"maxTurn\": 3}",
            "1:2: expected one of mode, model, maxTurns, maxBudgetUsd, maxTokens, timeout, idleTimeout, permission"
        },
        {
            "workflow.json", "{\"mode\": \"swarm\"}",
            "1:10: expected one of \"local\", \"docker\", \"auto\", found \"swarm\""
        },
        { "workflow.json", "{\"mode\": null}", "1:10: expected one of \"local\", \"docker\", \"auto\", found null" },
        { "workflow.json", "{\"model\": \"--help\"}", "1:11: expected the name of a model" },
        { "workflow.json", "{\"maxTurns\": 0}", "1:14: expected a whole number from 1 to 1000, found 0" },
        { "workflow.json", "{\"maxTurns\": 1.5}", "1:14: expected a whole number from 1 to 1000, found 1.5" },
        { "workflow.json", "{\"maxTurns\": \"3\"}", "1:14: expected a whole number from 1 to 1000, found \"3\"" },
        { "workflow.json", "{\"maxTokens\": 0}", "1:15: expected a whole number from 1 to 1000000000000" },
        { "workflow.json", "{\"maxTokens\": 1e3}", "1:15: expected a whole number from 1 to 1000000000000" },
        { "workflow.json", "{\"maxBudgetUsd\": -1}", "1:18: expected US dollars" },
        { "workflow.json", "{\"maxBudgetUsd\": 1e400}", "1:18: expected US dollars" },
        {
            "workflow.json", "{\"timeout\": \"25h\"}",
            "1:13: expected a time like \"90s\", \"30m\" or \"2h\", from 1s to 24h, found \"25h\""
        },
        { "workflow.json", "{\"timeout\": 30}", "1:13: expected a time like" },
        {
            "workflow.json", "{\"permissionMode\": \"ask\"}",
            "1:20: expected one of \"dontAsk\", \"bypass\", found \"ask\""
        },
        { "workflow.json", "{\"network\": \"allowlist\"}", "1:13: expected \"none\", \"open\" or an object" },
        { "workflow.json", "{\"network\": {\"mode\": \"some\"}}", "1:22: expected one of \"none\", \"allowlist\"" },
        { "workflow.json", "{\"network\": {\"mode\": \"allowlist\"}}", "1:13: expected hosts, found an object" },
        { "workflow.json", "{\"network\": {\"hosts\": []}}", "1:23: expected an array of 1 to 200 hosts" },
        { "workflow.json", "{\"network\": {\"mode\": \"open\", \"hosts\": [\"a\"]}}", "1:39: expected an array" },
        { "workflow.json", "{\"network\": {\"hosts\": [\"a b\"]}}", "1:24: expected NAME or NAME:PORT" },
        { "workflow.json", "{\"network\": {\"host\": \"a\"}}", "1:14: expected one of mode, hosts" },
        {
            "workflow.json", "{\"trust\": \"full\"}",
            "1:11: expected \"none\" or \"instructions\" (full trust is given to a repository"
        },
        { "workflow.json", "{\"trust\": 1}", "1:11: expected \"none\" or \"instructions\"" },
        {
            "workflow.json", "{\"sandbox\": \"none\",\n \"permissionMode\": \"bypass\"}",
            "2:2: expected a sandbox where permissionMode is"
        },
    };

    [Theory]
    [MemberData(nameof(BadPromptsAndTools))]
    [MemberData(nameof(BadServersAndVariables))]
    [MemberData(nameof(BadSettings))]
    public void A_bad_file_is_refused_with_its_line_and_what_was_expected(string file, string content, string message)
    {
        using var folders = new WorkflowFolders();
        var path = folders.Write("built-in", "hello", (file, content));

        var failure = Assert.Throws<FailureException>(() => folders.Catalog("built-in").Load("hello")).Failure;

        Assert.Equal("workflow_invalid", failure.Code);
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(path, file), failure.Message, StringComparison.Ordinal);
        Assert.Equal(Fault.User, failure.Fault);
        Assert.NotEmpty(failure.Hint);
    }

    [Theory]
    [InlineData("prompt.md", "expected the system prompt")]
    [InlineData("allowed_tools.json", "expected a flat array of tool rules")]
    public void A_missing_file_is_refused_by_name(string file, string message)
    {
        using var folders = new WorkflowFolders();
        folders.Write("built-in", "hello", (file, null));

        var failure = Assert.Throws<FailureException>(() => folders.Catalog("built-in").Load("hello")).Failure;

        Assert.Contains($"{file}: {message}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_place_is_counted_in_characters_and_after_a_byte_order_mark()
    {
        byte[] file = [.. Encoding.UTF8.Preamble, .. "[\"ä€𝄞\", 7]"u8];

        var failure = Refused(() => ToolRules.Read(Text([.. Encoding.UTF8.Preamble, .. "[\"mcp__ä\"]"u8]))!);
        var number = Refused(() => LocatedJson.Parse(Text(file)).Items[1].StringOr("text"));

        Assert.Contains("file:1:2:", failure.Message, StringComparison.Ordinal);
        Assert.Contains("file:1:10: expected text, found 7", number.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_not_UTF_8_are_refused_where_they_stand()
    {
        var failure = Refused(() => Text([.. "one\ntwo "u8, 0xC3, 0x28]));

        Assert.Contains("file:2:5: expected UTF-8", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_form_of_the_environment_file_is_read()
    {
        const string File = """
            # a comment

            PLAIN=one two   # a comment
            HASH=a#b
            EMPTY=
            ONLY_COMMENT= # nothing
            export EXPORTED = spaced
            export=a name like any other
            SINGLE='$HOME \n "x" # not a comment'
            DOUBLE="a\tb\n\"c\" \$D \\ \x" # a comment
            LINES="one
            two"
            EQUALS=a=b
            """;

        var variables = DotEnv.Read(Text(Encoding.UTF8.GetBytes(File)));

        Assert.Equal(
            [
                new("PLAIN", "one two"),
                new("HASH", "a#b"),
                new("EMPTY", ""),
                new("ONLY_COMMENT", ""),
                new("EXPORTED", "spaced"),
                new("export", "a name like any other"),
                new("SINGLE", "$HOME \\n \"x\" # not a comment"),
                new("DOUBLE", "a\tb\n\"c\" $D \\ \\x"),
                new("LINES", "one\ntwo"),
                new("EQUALS", "a=b"),
            ],
            variables);
        Assert.Equal([new("A", "1"), new("B", "2")], DotEnv.Read(Text("A=1\r\nB=\"2\"\r\n"u8)));
    }

    [Fact]
    public void Servers_over_HTTP_and_fields_of_a_later_CLI_are_let_through()
    {
        const string Config = """
            {"mcpServers": {"a": {"type": "http", "url": "https://x", "headers": {"K": "v"}, "oauth": {}}}}
            """;

        Assert.Equal(Config, McpConfig.Read(Text(Encoding.UTF8.GetBytes(Config))));
        Assert.Equal("""{"mcpServers":{}}""", McpConfig.Read(Text("""{"mcpServers":{}}"""u8)));
    }

    [Fact]
    public void Counts_have_their_bounds()
    {
        var rules = $"[{string.Join(',', Enumerable.Range(0, ToolRules.Most + 1).Select(number => $"\"T{number}\""))}]";
        var variables = string.Join('\n', Enumerable.Range(0, DotEnv.Most + 1).Select(number => $"V{number}="));
        var servers = Enumerable.Range(0, McpConfig.MostServers + 1).Select(number => $"\"s{number}\":{{}}");
        var config = $"{{\"mcpServers\":{{{string.Join(',', servers)}}}}}";

        Bounded("at most 500 tool rules", () => ToolRules.Read(Text(Encoding.UTF8.GetBytes(rules))));
        Bounded("at most 500 variables", () => DotEnv.Read(Text(Encoding.UTF8.GetBytes(variables))));
        Bounded("at most 64 servers", () => McpConfig.Read(Text(Encoding.UTF8.GetBytes(config))));

        static void Bounded(string message, Func<object> read) =>
            Assert.Contains(message, Refused(read).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1s", 1)]
    [InlineData("90s", 90)]
    [InlineData("30m", 1800)]
    [InlineData("24h", 86400)]
    [InlineData("", null)]
    [InlineData("s", null)]
    [InlineData("0s", null)]
    [InlineData("-1s", null)]
    [InlineData("1.5h", null)]
    [InlineData("86401s", null)]
    [InlineData("2147483647h", null)]
    [InlineData("99999999999s", null)]
    [InlineData("10", null)]
    [InlineData(" 1s", null)]
    [InlineData("1S", null)]
    public void A_time_limit_is_read_as_people_write_it(string text, int? seconds)
    {
        Assert.Equal(seconds is not null, DurationText.TryParse(text, out var duration));
        Assert.True(seconds is null || duration == TimeSpan.FromSeconds(seconds.Value));
    }

    [Fact]
    public void No_text_whatever_makes_a_reader_throw_anything_but_its_failure()
    {
        // Letters that mean something to a reader come often, so that it is led deep before it is surprised.
        var letter = Gen.Frequency(
            (6, Gen.Elements("[]{}\",:=#'\\\n\r\t $".ToCharArray())),
            (3, Gen.Elements("antA1_".ToCharArray())),
            (1, ArbMap.Default.GeneratorFor<char>()));
        var word = Gen.Elements(
            "\"mcpServers\":", "\"command\":", "\"timeout\":", "\"type\":", "export ", "A=", "\\u", "\ud83d", "null",
            "-1e9");
        var part = Gen.Frequency((4, letter.Select(one => one.ToString())), (1, word));
        var text = part.ListOf().Select(parts => string.Concat(parts));
        var bytes = Gen.Frequency((5, text.Select(Encoding.UTF8.GetBytes)), (1, ArbMap.Default.GeneratorFor<byte[]>()));

        Prop.ForAll(bytes.ToArbitrary(), file => Readers.All(reader => FailsOnlyAsItShould(reader, file)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3000).WithEndSize(200));
    }

    private static readonly Action<WorkflowText>[] Readers =
    [
        text => _ = DotEnv.Read(text),
        text => _ = ToolRules.Read(text),
        text => _ = McpConfig.Read(text),
        text => _ = WorkflowSettings.Read(text),
    ];

    private static bool FailsOnlyAsItShould(Action<WorkflowText> reader, byte[] file)
    {
        try
        {
            reader(Text(file));
            return true;
        }
        catch (FailureException wrong)
        {
            return string.Equals(wrong.Failure.Code, "workflow_invalid", StringComparison.Ordinal);
        }
    }

    private static WorkflowText Text(ReadOnlySpan<byte> bytes) => WorkflowText.Of("file", bytes, maxBytes: 1024 * 1024);

    private static Failure Refused(Func<object> read) => Assert.Throws<FailureException>(read).Failure;
}
