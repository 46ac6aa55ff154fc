using Berth.Engine.Claude;
using Berth.Engine.Network;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Workflows;

public sealed class WorkflowCatalogTests : IDisposable
{
    private readonly WorkflowFolders folders = new();

    public void Dispose() => folders.Dispose();

    [Fact]
    public void A_folder_with_all_its_files_becomes_a_workflow()
    {
        const string Mcp = """
            {"mcpServers": {"notes": {"command": "python3", "args": ["notes.py"], "env": {"A": "${A}"}}}}
            """;
        var path = folders.Write(
            "built-in",
            "hello",
            ("prompt.md", "# Greets the maintainer\r\n\r\nSay hello.\r\n"),
            ("allowed_tools.json", """["Read", "Bash(git *)", "mcp__notes__add", "Read"]"""),
            (".mcp.json", Mcp),
            (".env", "export GREETING='hello there'\nLEVEL=3 # of five\n"),
            ("workflow.json", """
                {"mode": "local", "model": "claude-opus-5-5", "maxTurns": 7, "maxBudgetUsd": 1.5, "timeout": "30m",
                 "idleTimeout": "90s", "permissionMode": "bypass", "sandbox": "bubblewrap",
                 "network": "none", "trust": "none"}
                """));

        var workflow = folders.Catalog("built-in").Load("hello");

        Assert.Equal("hello", workflow.Name);
        Assert.Equal(path, workflow.Folder);
        Assert.Equal("Greets the maintainer", workflow.Description);
        Assert.EndsWith("Say hello.\r\n", workflow.SystemPrompt, StringComparison.Ordinal);
        Assert.Equal(["Read", "Bash(git *)", "mcp__notes__add"], workflow.AllowedTools);
        Assert.Equal(Mcp, workflow.McpConfigJson);
        Assert.Equal([new("GREETING", "hello there"), new("LEVEL", "3")], workflow.Environment);
        Assert.Equal(
            new WorkflowSettings
            {
                Mode = "local",
                Model = "claude-opus-5-5",
                MaxTurns = 7,
                MaxBudgetUsd = 1.5m,
                Timeout = TimeSpan.FromMinutes(30),
                IdleTimeout = TimeSpan.FromSeconds(90),
                PermissionMode = PermissionMode.Bypass,
                Sandbox = "bubblewrap",
                Network = NetworkPolicy.None,
                Trust = Trust.None,
            },
            workflow.Settings);
        Assert.Empty(workflow.Shadows);
    }

    [Fact]
    public void Two_files_are_enough()
    {
        folders.Write("built-in", "hello");

        var workflow = folders.Catalog("built-in").Load("hello");

        Assert.Null(workflow.McpConfigJson);
        Assert.Empty(workflow.Environment);
        Assert.Equal(new WorkflowSettings(), workflow.Settings);
        Assert.Equal(PermissionMode.DontAsk, workflow.Settings.PermissionMode);
    }

    [Fact]
    public void A_later_folder_shadows_an_earlier_one_and_says_so()
    {
        var first = folders.Write("built-in", "hello");
        var second = folders.Write("home", "hello", ("prompt.md", "The second."));
        var third = folders.Write("team", "hello", ("prompt.md", "The third."));
        folders.Write("built-in", "alone");
        var catalog = folders.Catalog("built-in", "home", "not-there", "team", "team");

        var workflow = catalog.Load("hello");
        var list = catalog.List();

        Assert.Equal("The third.", workflow.Description);
        Assert.Equal(third, workflow.Folder);
        Assert.Equal([second, first], workflow.Shadows);
        Assert.Equal(["alone", "hello"], list.Select(listing => listing.Name), StringComparer.Ordinal);
        Assert.Empty(list[0].Shadows);
        Assert.Equal([second, first], list[1].Shadows);
    }

    [Fact]
    public void An_invalid_workflow_is_listed_with_its_problem_and_shadows_all_the_same()
    {
        folders.Write("built-in", "hello");
        folders.Write("home", "hello", ("allowed_tools.json", "{}"));
        folders.Write("home", "not a name");
        folders.Write("home", ".hidden");

        var list = folders.Catalog("built-in", "home").List();

        Assert.Equal(["hello", "not a name"], list.Select(listing => listing.Name), StringComparer.Ordinal);
        Assert.False(list[0].Valid);
        Assert.Equal("workflow_invalid", list[0].Problem!.Code);
        Assert.Equal([Path.Combine(folders.Folder("built-in"), "hello")], list[0].Shadows);
        Assert.Equal("workflow_name_invalid", list[1].Problem!.Code);
    }

    [Fact]
    public void An_unknown_workflow_is_refused_with_those_that_there_are()
    {
        folders.Write("built-in", "review");
        folders.Write("built-in", "fix");

        var failure = Refused(() => folders.Catalog("built-in").Load("reveiw"));

        Assert.Equal("workflow_not_found", failure.Code);
        Assert.Equal("There is no workflow \"reveiw\". Did you mean review? There are: fix, review.", failure.Message);
        Assert.Equal(Fault.User, failure.Fault);
    }

    [Fact]
    public void No_workflow_at_all_is_said_too()
    {
        var failure = Refused(() => folders.Catalog().Load("review"));

        Assert.Contains("There are: none.", failure.Message, StringComparison.Ordinal);
        Assert.Empty(folders.Catalog("not-there").List());
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../secret")]
    [InlineData("a/b")]
    [InlineData("/etc")]
    [InlineData("%2e%2e")]
    [InlineData("%2e%2e%2fsecret")]
    [InlineData("hello\0")]
    [InlineData("hello\n")]
    [InlineData("-rf")]
    [InlineData("héllo")]
    [InlineData("hello\ud800")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void A_name_that_could_be_a_path_is_refused_and_nothing_is_read(string name)
    {
        folders.Write(".", "secret");
        folders.Write("built-in", "hello");

        var failure = Refused(() => folders.Catalog("built-in").Load(name));

        Assert.Equal("workflow_name_invalid", failure.Code);
        Assert.DoesNotContain(failure.Message, char.IsControl);
    }

    [Fact]
    public void A_file_that_is_too_large_is_refused_by_name()
    {
        folders.Write("built-in", "hello", ("prompt.md", new string('a', (256 * 1024) + 1)));

        var failure = Refused(() => folders.Catalog("built-in").Load("hello"));

        Assert.Equal("workflow_invalid", failure.Code);
        Assert.Contains("prompt.md: expected at most 262144 bytes", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_or_a_pipe_in_the_place_of_a_file_is_refused_without_waiting_for_it()
    {
        var path = folders.Write("built-in", "hello", (".mcp.json", null));
        Directory.CreateDirectory(Path.Combine(path, ".mcp.json"));
        File.Delete(Path.Combine(path, "prompt.md"));
        File.CreateSymbolicLink(Path.Combine(path, "prompt.md"), "/dev/zero");

        var catalog = folders.Catalog("built-in");

        var device = Refused(() => catalog.Load("hello"));
        folders.Write("built-in", "hello");
        var folder = Refused(() => catalog.Load("hello"));

        Assert.Contains("prompt.md:1:1", device.Message, StringComparison.Ordinal);
        Assert.Contains(".mcp.json: expected a file, found a folder", folder.Message, StringComparison.Ordinal);
    }

    private static Failure Refused(Action load) => Assert.Throws<FailureException>(load).Failure;
}
