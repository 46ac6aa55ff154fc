using Berth.Engine.Claude;
using Berth.Engine.Workflows;
using Berth.Tests.Tidy;
using Xunit;

namespace Berth.Tests.Workflows;

public sealed class BuiltInWorkflowTests
{
    private static readonly string Folder = Path.Combine(SourceTree.Root, "workflows");

    private static readonly WorkflowCatalog Catalog = new(new WorkflowOptions { Folders = [Folder] });

    [Fact]
    public void There_are_the_eight_and_all_are_valid()
    {
        var list = Catalog.List();

        Assert.Empty(list.Where(listing => !listing.Valid).Select(listing => listing.Problem!.Message));
        Assert.Equal(
            ["architect", "document", "fix", "implement", "pr", "refactor", "review", "test"],
            list.Select(listing => listing.Name),
            StringComparer.Ordinal);
        Assert.All(list, listing => Assert.InRange(listing.Description.Length, 20, 90));
    }

    [Theory]
    [InlineData("architect")]
    [InlineData("document")]
    [InlineData("review")]
    public void One_that_does_not_build_code_may_write_only_the_files_it_is_for(string name)
    {
        var tools = Catalog.Load(name).AllowedTools;

        Assert.Empty(tools.Intersect(["Bash", "Write", "Edit"], StringComparer.Ordinal));
        Assert.Contains(tools, rule => rule.StartsWith("Edit(", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("architect")]
    [InlineData("document")]
    [InlineData("fix")]
    [InlineData("implement")]
    [InlineData("pr")]
    [InlineData("refactor")]
    [InlineData("review")]
    [InlineData("test")]
    public void Each_is_written_for_a_run_that_nobody_watches(string name)
    {
        var workflow = Catalog.Load(name);

        Assert.Equal(PermissionMode.DontAsk, workflow.Settings.PermissionMode);
        Assert.NotNull(workflow.Settings.MaxTurns);
        Assert.Null(workflow.Settings.Timeout);
        Assert.DoesNotContain(workflow.AllowedTools, rule => rule.StartsWith("Web", StringComparison.Ordinal));
        Assert.Contains("Nobody answers", workflow.SystemPrompt, StringComparison.Ordinal);
        Assert.Contains("There is no network", workflow.SystemPrompt, StringComparison.Ordinal);
        Assert.Contains("What you leave behind", workflow.SystemPrompt, StringComparison.Ordinal);
    }
}
