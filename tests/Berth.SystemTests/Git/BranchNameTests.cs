using Berth.Engine.Git;
using Berth.SystemTests.Workspaces;
using Xunit;

namespace Berth.SystemTests.Git;

/// <summary>FAULTS D 32: names that could be options, paths or commands.</summary>
public sealed class BranchNameTests
{
    [Fact]
    public async Task Names_are_judged_as_git_judges_them()
    {
        await using var place = new GitPlayground();
        string[] pieces =
        [
            "a", "Ü", ".", "..", "/", "-", "@", "@{", "{", "~", "^", ":", "?", "*", "[", "]", "\\", " ", "\t", "\u007f",
            ".lock", "HEAD",
            "$(x)", ";", "--upload-pack=x", "'", "\"", "|", "refs/heads/",
        ];
        var names = pieces.Concat(from first in pieces from second in pieces select first + second)
            .Concat(from first in pieces.Take(6) from second in pieces select $"a{first}b{second}c")
            .Distinct(StringComparer.Ordinal);

        foreach (var name in names)
        {
            var git = await place.TryGitAsync("/", "check-ref-format", "--branch", name);

            // "@" and "@{-1}" are expanded there; nothing is to be expanded here. Git makes "a//b" into "a/b"; we
            // refuse it.
            var expanded = name is "@" || name.Contains("@{", StringComparison.Ordinal);
            var valid = git.Succeeded && !expanded && !name.Contains("//", StringComparison.Ordinal)
                && !name.StartsWith('/');
            var problem = BranchName.Problem(name);
            Assert.True(valid == problem is null, $"'{name}': git says {git.Succeeded}, we say {problem}");
        }
    }
}
