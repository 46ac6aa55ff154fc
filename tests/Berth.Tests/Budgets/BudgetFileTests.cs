using Berth.Engine.Budgets;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Budgets;

public sealed class BudgetFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-budgets-").FullName;

    private string FilePath => Path.Combine(folder, "budgets.json");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string, string> Bad => new()
    {
        { "{}", ":1: " },
        { "[", ":1: " },
        { "[\n{\"scope\": \"all\", \"period\": \"day\", \"usd\": 1},\n{\"scop\": \"all\"}]", ":3: " },
        { "[{\"scope\": \"all\", \"scope\": \"all\", \"period\": \"day\", \"usd\": 1}]", ":1: " },
        { "[null]", "rule 1: \"scope\": expected workflow, repository, owner or all, found nothing" },
        { "[{\"period\": \"day\", \"usd\": 1}]", "rule 1: \"scope\": expected" },
        { "[{\"scope\": \"run\", \"period\": \"day\", \"usd\": 1}]", "found \"run\"" },
        { "[{\"scope\": \"all\", \"usd\": 1}]", "\"period\": expected \"day\", found nothing" },
        { "[{\"scope\": \"all\", \"period\": \"week\", \"usd\": 1}]", "found \"week\"" },
        { "[{\"scope\": \"all\", \"period\": \"day\"}]", "expected one of turns, tokens, usd and wallTime" },
        { "[{\"scope\": \"all\", \"name\": \"x\", \"period\": \"day\", \"usd\": 1}]", "the scope all has none" },
        { "[{\"scope\": \"owner\", \"name\": \"\", \"period\": \"day\", \"usd\": 1}]", "\"name\": expected 1 to 2000" },
        { "[{\"scope\": \"all\", \"period\": \"day\", \"usd\": 0}]", "\"usd\": expected an amount" },
        { "[{\"scope\": \"all\", \"period\": \"day\", \"usd\": \"1\"}]", ":1: " },
        { "[{\"scope\": \"all\", \"period\": \"day\", \"turns\": 0}]", "\"turns\": expected a whole number" },
        { "[{\"scope\": \"all\", \"period\": \"day\", \"turns\": 1.5}]", ":1: " },
        { "[{\"scope\": \"all\", \"period\": \"day\", \"tokens\": -1}]", "\"tokens\": expected a whole number" },
        { "[{\"scope\": \"all\", \"period\": \"day\", \"wallTime\": \"4\"}]", "\"wallTime\": expected a time" },
        { "[{\"scope\": \"all\", \"period\": \"day\", \"wallTime\": \"0h\"}]", "\"wallTime\": expected a time" },
        {
            "[{\"scope\": \"all\", \"period\": \"day\", \"usd\": 1}, "
            + "{\"scope\": \"repository\", \"name\": \"?\", \"period\": \"day\", \"usd\": 1}]",
            "rule 2: \"name\": ? cannot be a repository"
        },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_bad_file_is_refused_with_its_place_and_what_was_expected(string text, string message)
    {
        File.WriteAllText(FilePath, text);
        var refused = Assert.Throws<FailureException>(() => Read());

        Assert.Equal("budgets_invalid", refused.Failure.Code);
        Assert.Equal(Fault.Operator, refused.Failure.Fault);
        Assert.StartsWith(FilePath, refused.Failure.Message, StringComparison.Ordinal);
        Assert.Contains(message, refused.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void There_is_a_most_of_rules_and_of_bytes()
    {
        var rule = "{\"scope\": \"all\", \"period\": \"day\", \"usd\": 1}";
        File.WriteAllText(FilePath, $"[{string.Join(',', Enumerable.Repeat(rule, 100))}]");
        Assert.Equal(100, Read().Count);
        File.WriteAllText(FilePath, $"[{string.Join(',', Enumerable.Repeat(rule, 101))}]");
        Assert.Equal("budgets_invalid", Assert.Throws<FailureException>(() => Read()).Failure.Code);
        File.WriteAllText(FilePath, $"[{new string(' ', 300_000)}]");
        Assert.Equal("budgets_invalid", Assert.Throws<FailureException>(() => Read()).Failure.Code);
    }

    [Fact]
    public void A_good_file_is_read_and_none_is_no_budget()
    {
        Assert.Empty(Read());
        File.WriteAllText(FilePath, """
            [ // Comments are for people.
              {"scope": "owner", "period": "day", "usd": 20.5, "wallTime": "36h"},
              {"scope": "repository", "name": "/r/../r", "period": "day", "turns": 5, "tokens": 1000000000000},
            ]
            """);
        Assert.Equal(
            [
                new BudgetRule(BudgetScope.Owner, null, new() { Usd = 20.5m, WallMs = 36 * 3600 * 1000 }),
                new BudgetRule(BudgetScope.Repository, "/r", new() { Turns = 5, Tokens = 1_000_000_000_000 }),
            ],
            Read());
    }

    [Fact]
    public void A_file_that_was_named_and_is_not_there_and_what_is_no_file_cannot_be_read()
    {
        var named = Assert.Throws<FailureException>(() => Read(mustExist: true));
        Directory.CreateDirectory(FilePath);
        var odd = Assert.Throws<FailureException>(() => Read());

        Assert.All(new[] { named, odd }, refused => Assert.Equal("budgets_unreadable", refused.Failure.Code));
    }

    private IReadOnlyList<BudgetRule> Read(bool mustExist = false) =>
        BudgetFile.Read(FilePath, mustExist, name => name.StartsWith('/') ? Path.GetFullPath(name) : null);
}
