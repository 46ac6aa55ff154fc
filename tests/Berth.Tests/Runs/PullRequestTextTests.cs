using Berth.Engine;
using Berth.Engine.Runs;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class PullRequestTextTests
{
    private static readonly RunOutcome Outcome = new()
    {
        State = RunState.Succeeded, Result = "I mended {run}.\nAll of it.", Turns = 4, CostUsd = 0.02400m,
    };

    [Fact]
    public void The_usual_text_has_summary_workflow_run_turns_and_cost()
    {
        var plan = Plans.Any() with { Workflow = "fix" };

        Assert.Equal(
            "I mended {run}.\nAll of it.\n\n---\nMade by Berth: workflow fix, run r1, 4 turns, 0.024 US dollars.\n",
            PullRequestText.BodyOf(PullRequestText.Body, plan, "r1", Outcome));
        Assert.Equal(plan.Title, PullRequestText.TitleOf(PullRequestText.Title, plan, "r1", Outcome));
    }

    [Theory]
    [InlineData("{nothing} {", "{nothing} {")]
    [InlineData("{{run}}", "{r1}")]
    [InlineData("a\nb\tc", "a b c")]
    [InlineData("{summary}", "I mended {run}. All of it.")]
    public void A_title_is_one_line_and_what_is_no_place_stays(string template, string title) =>
        Assert.Equal(title, PullRequestText.TitleOf(template, Plans.Any(), "r1", Outcome));

    [Fact]
    public void Titles_and_texts_have_a_bound()
    {
        var endless = Outcome with { Result = new string('x', 100_000) };

        Assert.Equal(200, PullRequestText.TitleOf("{summary}", Plans.Any(), "r1", endless).Length);
        Assert.Equal(60_000, PullRequestText.BodyOf("{summary}", Plans.Any(), "r1", endless).Length);
    }
}
