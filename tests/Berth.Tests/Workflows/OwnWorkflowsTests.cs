using Berth.Engine.Workflows;
using Berth.Protocol;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Workflows;

/// <summary>Workflows as a server writes them.</summary>
public sealed class OwnWorkflowsTests : IDisposable
{
    private static readonly WorkflowFiles Plain = new("# Says hello\n", """["Read"]""", null, null, null);

    private readonly WorkflowFolders folders = new();

    public OwnWorkflowsTests() => Directory.CreateDirectory(folders.Folder("home"));

    public void Dispose() => folders.Dispose();

    [Fact]
    public void What_was_made_is_what_is_loaded_and_only_its_user_reads_it()
    {
        Own().Create("mine", Plain with
        {
            Mcp = """{"mcpServers": {"files": {"command": "/bin/files"}}}""",
            Settings = """{"maxTurns": 3}""",
            Environment = Variables(("TOKEN", "secret-1")),
        });

        var loaded = Catalog().Load("mine");
        Assert.Equal("Says hello", loaded.Description);
        Assert.Equal(["Read"], loaded.AllowedTools);
        Assert.Equal(3, loaded.Settings.MaxTurns);
        Assert.Equal("""{"maxTurns": 3}""", loaded.SettingsJson);
        Assert.Contains("/bin/files", loaded.McpConfigJson, StringComparison.Ordinal);
        Assert.Equal("secret-1", loaded.Environment["TOKEN"]);
        Assert.Equal(["mine"], Entries());
        Assert.All(
            Directory.GetFiles(loaded.Folder),
            file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    [Fact]
    public void Variables_are_read_as_they_were_written()
    {
        var words = Gen.Elements(
            "\"", "\\", "\\n", "$", "#", " ", "'", "\n", "\r", "\t", "=", "export X=", "é", "😀", "a");
        var values = words.ArrayOf().Select(string.Concat);

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(values.ToArbitrary(), value =>
        {
            var written = DotEnv.Write(Variables(("A", value), ("B", "last")));
            var read = DotEnv.Read(WorkflowText.Of(".env", System.Text.Encoding.UTF8.GetBytes(written), 1_000_000));
            return read.Count == 2 && string.Equals(read["A"], value, StringComparison.Ordinal)
                && read["B"] is "last";
        }));
    }

    [Theory]
    [InlineData("../up", "workflow_name_invalid")]
    [InlineData(".hidden", "workflow_name_invalid")]
    [InlineData("a/b", "workflow_name_invalid")]
    [InlineData("a\0b", "workflow_name_invalid")]
    [InlineData("", "workflow_name_invalid")]
    [InlineData("mine", "workflow_exists")]
    [InlineData("outranked", "workflow_read_only")]
    public void A_name_that_cannot_be_made_is_refused_and_nothing_is_written(string name, string code)
    {
        folders.Write("home", "mine");
        folders.Write("later", "outranked");

        Assert.Equal(code, CodeOf(() => Own().Create(name, Plain)));
        Assert.Equal(["mine"], Entries());
    }

    [Fact]
    public void Files_that_are_not_valid_are_refused_with_their_place_and_nothing_is_written()
    {
        folders.Write("home", "mine");
        WorkflowFiles[] wrong =
        [
            Plain with { Prompt = "\n" },
            Plain with { Prompt = new string('x', 300_000) },
            Plain with { AllowedTools = "[7]" },
            Plain with { Mcp = "{}" },
            Plain with { Settings = """{"nosuch": 1}""" },
            Plain with { Environment = Variables(("A\nB", "x")) },
            Plain with { Environment = Variables(("HOME", "x")) },
            Plain with { Environment = Variables(("A", "x\0y")) },
        ];

        Assert.All(wrong, files => Assert.Equal("workflow_invalid", CodeOf(() => Own().Create("new", files))));
        Assert.All(wrong, files => Assert.Equal("workflow_invalid", CodeOf(() => Own().Replace("mine", files))));
        var message = Assert.Throws<FailureException>(() => Own().Create("new", wrong[2])).Message;
        Assert.Contains(" allowed_tools.json:1:2: ", message, StringComparison.Ordinal);
        Assert.Equal(["mine"], Entries());
        Assert.StartsWith("Says hello.", Catalog().Load("mine").SystemPrompt, StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_is_replaced_keeps_its_variables_until_others_are_given()
    {
        folders.Write("home", "mine", (".env", "TOKEN=secret-1\n"), ("workflow.json", "{}"));

        Own().Replace("mine", Plain);
        var kept = Catalog().Load("mine");
        Own().Replace("mine", Plain with { Environment = Variables() });
        var gone = Catalog().Load("mine");

        Assert.Equal("# Says hello\n", kept.SystemPrompt);
        Assert.Null(kept.SettingsJson);
        Assert.Equal("secret-1", kept.Environment["TOKEN"]);
        Assert.Empty(gone.Environment);
        Assert.Equal(["mine"], Entries());
    }

    [Fact]
    public void A_built_in_one_is_only_read_can_be_shadowed_and_comes_back()
    {
        folders.Write("built-in", "fix");

        Assert.Equal("workflow_read_only", CodeOf(() => Own().Replace("fix", Plain)));
        Assert.Equal("workflow_read_only", CodeOf(() => Own().Remove("fix")));
        Own().Create("fix", Plain);
        Assert.Equal(Path.Combine(folders.Folder("home"), "fix"), Catalog().Load("fix").Folder);
        Own().Remove("fix");
        Assert.Equal(Path.Combine(folders.Folder("built-in"), "fix"), Catalog().Load("fix").Folder);
        Assert.Empty(Entries());
        Assert.Equal("workflow_not_found", CodeOf(() => Own().Remove("nosuch")));
        Assert.Equal("workflow_not_found", CodeOf(() => Own().Replace("nosuch", Plain)));
    }

    [Fact]
    public void What_could_not_be_given_back_is_not_taken_away()
    {
        File.WriteAllText(Path.Combine(folders.Write("home", "served"), "server.py"), "print()");
        Directory.CreateDirectory(Path.Combine(folders.Write("home", "deep"), "lib"));
        Directory.CreateSymbolicLink(
            Path.Combine(folders.Folder("home"), "linked"), folders.Write("elsewhere", "linked"));

        foreach (var name in new[] { "served", "deep", "linked" })
        {
            Assert.Equal("workflow_not_plain", CodeOf(() => Own().Replace(name, Plain)));
            Assert.Equal("workflow_not_plain", CodeOf(() => Own().Remove(name)));
        }

        Assert.Equal(["deep", "linked", "served"], Entries());
        Assert.True(File.Exists(Path.Combine(folders.Folder("elsewhere"), "linked", "prompt.md")));
    }

    [Fact]
    public void What_a_killed_server_has_left_over_is_no_workflow_and_goes_with_the_next_writing()
    {
        folders.Write("home", ".mine.0123456789abcdef0123456789abcdef.tmp");

        Assert.Empty(Catalog().List());
        Own().Create("mine", Plain);

        Assert.Equal(["mine"], Entries());
    }

    [Fact]
    public async Task Whoever_reads_meanwhile_reads_all_of_one()
    {
        var own = Own();
        own.Create("mine", Version(0));
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(
            () =>
            {
                for (var i = 1; !stop.IsCancellationRequested; i++)
                {
                    own.Replace("mine", Version(i));
                }

                return 0;
            },
            TestContext.Current.CancellationToken);

        for (var i = 0; i < 300; i++)
        {
            var read = Catalog().Load("mine");
            Assert.Equal(read.Description, read.Environment["VERSION"]);
            Assert.Equal($"Bash({read.Description})", read.AllowedTools[0]);
        }

        await stop.CancelAsync();
        Assert.Equal(0, await writing.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_the_operator_s_to_mend()
    {
        File.WriteAllText(folders.Folder("file"), string.Empty);
        var own = new OwnWorkflows(Catalog(), Path.Combine(folders.Folder("file"), "workflows"));

        var failed = Assert.Throws<FailureException>(() => own.Create("mine", Plain));

        Assert.Equal(("workflow_not_written", Fault.Operator), (failed.Failure.Code, failed.Failure.Fault));
    }

    private static WorkflowFiles Version(int number) => new(
        $"{number}\n", $"[\"Bash({number})\"]", null, null, Variables(("VERSION", $"{number}")));

    private static Dictionary<string, string> Variables(params (string Name, string Value)[] variables) =>
        variables.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);

    private static string CodeOf(Action act) => Assert.Throws<FailureException>(act).Failure.Code;

    private WorkflowCatalog Catalog() => folders.Catalog("built-in", "home", "later");

    private OwnWorkflows Own() => new(Catalog(), folders.Folder("home"));

    private IEnumerable<string> Entries() => Directory.EnumerateFileSystemEntries(folders.Folder("home"))
        .Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);
}
