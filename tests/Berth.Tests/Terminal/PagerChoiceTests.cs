using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Terminal;

/// <summary>Fault 66: the pager is chosen as git does, and no shell is started for it.</summary>
public sealed class PagerChoiceTests
{
    [Theory]
    [InlineData("less", "less")]
    [InlineData("  less   -F\t-X ", "less|-F|-X")]
    [InlineData("less '-P a b' \"-x 4\" a\\ b ''", "less|-P a b|-x 4|a b|")]
    [InlineData("LESS=-R less", "LESS=-R|less")]
    [InlineData("\"a\\\"b\"", "a\"b")]
    [InlineData("", "")]
    public void F66_A_pager_is_taken_apart_into_words(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', PagerChoice.Words(text)!));

    [Theory]
    [InlineData("diff-so-fancy | less")]
    [InlineData("less; rm -rf x")]
    [InlineData("less $(id)")]
    [InlineData("less `id`")]
    [InlineData("\"$PAGER\"")]
    [InlineData("~/bin/less")]
    [InlineData("less > x")]
    [InlineData("less 'open")]
    public void F66_A_pager_that_needs_a_shell_is_not_run(string text) => Assert.Null(PagerChoice.Words(text));

    [Theory]
    [InlineData("sh", "env", "true", "sh")]
    [InlineData(null, "env", "true", "env")]
    [InlineData(null, null, "true", "true")]
    [InlineData("", "env", "true", null)]
    [InlineData("cat", "env", "true", null)]
    [InlineData("sh | cat", null, null, "less")]
    public void F66_The_first_that_is_set_counts(string? gitPager, string? configured, string? pager, string? expected)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH")!,
            ["TERM"] = "xterm",
        };
        foreach (var (name, value) in new[] { ("GIT_PAGER", gitPager), ("PAGER", pager) })
        {
            if (value is not null)
            {
                environment[name] = value;
            }
        }

        expected = expected is "less" && Commands.CompletionTests.Find("less") is null ? null : expected;
        var chosen = PagerChoice.Of(environment, configured).Pager;

        Assert.Equal(expected, Path.GetFileName(chosen?.Program));
        Assert.Equal(expected is null ? null : "FRX", chosen?.Environment["LESS"]);
    }

    [Fact]
    public void F66_A_pager_in_the_folder_where_one_stands_is_not_taken()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = ".:bin", ["TERM"] = "xterm", ["PAGER"] = "./less",
        };

        Assert.Null(PagerChoice.Of(environment, configured: null).Pager);
    }
}
