using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Tests.Tidy;
using Xunit;

namespace Berth.Tests.Claude;

public sealed class PinnedClaudeTests
{
    [Fact]
    public void The_version_is_the_one_that_is_installed_for_a_clone()
    {
        var file = File.ReadAllText(Path.Combine(SourceTree.Root, "tools/claude/package.json"));
        var pinned = JsonDocument.Parse(file).RootElement.GetProperty("dependencies")
            .GetProperty("@anthropic-ai/claude-code").GetString();

        Assert.Equal(pinned, PinnedClaude.Version);
        Assert.Matches(@"^\d+\.\d+\.\d+$", PinnedClaude.Version);
    }
}
