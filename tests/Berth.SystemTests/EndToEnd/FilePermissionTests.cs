using System.Net;
using Berth.Protocol.Posix;
using Berth.SystemTests.Server;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Who else on the machine may read and write what Berth makes.</summary>
public sealed class FilePermissionTests
{
    private const UnixFileMode Write = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
    private const UnixFileMode Wide = (UnixFileMode)0b111_101_101;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("000")]
    [InlineData("022")]
    public async Task F53_Nothing_that_a_run_leaves_in_an_open_home_is_for_others(string umask)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        Directory.CreateDirectory(home.Home, Wide);
        home.TypeUnder(umask);

        var (command, run) = await home.RunAsync(
            "bash umask > mask.txt; echo report > $BERTH_ARTIFACTS/report.txt\n---\ntext Done.",
            Cancel, "--branch", "b", "--keep");
        var id = run.GetProperty("id").GetString()!;
        var output = Path.Combine(home.Folder, "report.txt");
        await home.BerthAsync(Cancel, "artifacts", id, "files/report.txt", "--output", output);

        Assert.True(command.ExitCode == 0, command.Error);
        AssertClosed(home.Home);
        Assert.Equal("0022\n", await home.GitAsync(Cancel, "show", "b:mask.txt"));

        // What is the user's is as his other files are.
        var branch = Path.Combine(home.Repository, ".git", "refs", "heads", "b");
        var head = Path.Combine(home.Repository, ".git", "refs", "heads", "main");
        Assert.Equal(File.GetUnixFileMode(head), File.GetUnixFileMode(branch));
        Assert.Equal(umask is "000" ? (UnixFileMode)0b110_110_110 : (UnixFileMode)0b110_100_100,
            File.GetUnixFileMode(output));
    }

    [Fact]
    public async Task F53_Nothing_that_a_server_makes_is_for_others()
    {
        await using var server = await ServerHome.PrepareAsync(Cancel);
        Directory.CreateDirectory(server.Home.Home, Wide);
        server.Home.TypeUnder("000");
        await server.StartAgainAsync(Cancel);

        var (made, _) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/workflows", Cancel, ApiCalls.WorkflowBody("greet"));
        var run = await server.SubmitAsync("bash echo done > done.txt\n---\ntext Done.", Cancel);
        await server.FinalAsync(run.GetProperty("id").GetString()!, Cancel);

        Assert.Equal(HttpStatusCode.Created, made);
        AssertClosed(server.Home.Home);
    }

    [Fact]
    public async Task F53_What_an_earlier_version_left_open_is_closed()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await home.RunAsync("text Done.", Cancel);
        File.SetUnixFileMode(home.Home, Wide);
        var (database, runs) = (Path.Combine(home.Home, "berth.db"), Path.Combine(home.Home, "runs"));
        File.SetUnixFileMode(database, (UnixFileMode)0b110_100_100);
        File.SetUnixFileMode(runs, Wide);

        await home.BerthAsync(Cancel, "ps");

        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(database) & FileMask.Private);
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(runs) & FileMask.Private);
    }

    public static TheoryData<string, bool> Deciding => new()
    {
        { ".", true },
        { "workflows", true },
        { "workflows/greet", true },
        { "workflows/greet/prompt.md", false },
        { "workflows/greet/workflow.json", false },
        { "workflows/greet/.env", false },
        { "berth.json", false },
        { "budgets.json", false },
        { "prices.json", false },
        { "git-credentials.json", false },
    };

    [Theory]
    [MemberData(nameof(Deciding))]
    public async Task F53_A_file_that_decides_what_runs_may_do_and_that_others_may_write_is_refused(
        string name, bool isFolder)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var workflow = Path.Combine(home.Home, "workflows", "greet");
        Directory.CreateDirectory(workflow);
        Lay(Path.Combine(workflow, "prompt.md"), "# Greets\n");
        Lay(Path.Combine(workflow, "allowed_tools.json"), "[]");
        Lay(Path.Combine(workflow, "workflow.json"), "{}");
        Lay(Path.Combine(workflow, ".env"), "A=a-value-of-it\n");
        Lay(Path.Combine(home.Home, "berth.json"), "{}");
        Lay(Path.Combine(home.Home, "budgets.json"), "[]");
        Lay(Path.Combine(home.Home, "prices.json"), "{}");
        Lay(Path.Combine(home.Home, "git-credentials.json"), """{"git.example.org": {"token": "a-token-of-it"}}""");
        home.Set("BERTH_MODEL_PRICES", Path.Combine(home.Home, "prices.json"));
        await home.GitAsync(Cancel, "remote", "add", "origin", "https://git.example.org/team/shop.git");
        string[] words =
            ["run", "greet", BerthHome.Prompt("text Done."), "--json", "--repo", home.Repository];

        var good = await home.BerthAsync(Cancel, words);
        var path = Path.Combine(home.Home, name);
        foreach (var who in new[] { UnixFileMode.GroupWrite, UnixFileMode.OtherWrite })
        {
            var before = File.GetUnixFileMode(path);
            File.SetUnixFileMode(path, before | who);
            var refused = await home.BerthAsync(Cancel, [.. words, "--push"]);

            Assert.True(refused.ExitCode is 1 or 2, refused.Output);
            Assert.Contains(
                name is "git-credentials.json" ? "git_credentials_exposed" : "files_exposed",
                refused.Output + refused.Error, StringComparison.Ordinal);
            Assert.Contains("chmod", refused.Output + refused.Error, StringComparison.Ordinal);
            Assert.Equal(isFolder, Directory.Exists(path));
            File.SetUnixFileMode(path, before);
        }

        Assert.True(good.ExitCode == 0, good.Error);
    }

    private static void Lay(string path, string text)
    {
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    // Nobody comes to what is below a closed folder; what lies open in an open one is for all.
    private static void AssertClosed(string home)
    {
        var open = Open(new DirectoryInfo(home)).ToList();
        Assert.Empty(open);
        Assert.Empty(new DirectoryInfo(home).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(entry => entry.LinkTarget is null && (entry.UnixFileMode & Write) != UnixFileMode.None)
            .Where(entry => !entry.Name.EndsWith(".sock", StringComparison.Ordinal))
            .Select(entry => entry.FullName));
    }

    private static IEnumerable<string> Open(DirectoryInfo folder) => folder.EnumerateFileSystemInfos()
        .Where(entry => entry.LinkTarget is null && (entry.UnixFileMode & FileMask.Private) != UnixFileMode.None)
        .SelectMany(entry => (string[])[entry.FullName, .. entry is DirectoryInfo inner ? Open(inner) : []]);
}
