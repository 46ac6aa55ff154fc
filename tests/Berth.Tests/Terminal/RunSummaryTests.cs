using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Terminal;

public sealed class RunSummaryTests
{
    [Fact]
    public void A_success_says_branch_changes_cost_and_what_to_type_next() => Assert.Equal(
        """
        succeeded in 12.9 s · 4 turns · 4400 tokens · $0.024
          branch     berth/fix/8n4c6b0a · 1 commit
                     bbbbbbbb fix: greet the world
          files      2 changed, +1 -1
                     modified greet.sh +1 -1
                     added logo.png binary
          next       berth diff 8n4c6b0a
                     git merge berth/fix/8n4c6b0a

        """,
        Text(RunSummary.Of(TrialRun.View, "/srv/greeter/src")));

    [Fact]
    public void A_push_says_where_the_branch_is()
    {
        var push = new PushRecord
        {
            State = PushState.Pushed, Remote = "https://h.example/x", Branch = "berth/fix/8n4c6b0a-2", Commit = "b",
        };

        Assert.Contains(
            "  pushed     berth/fix/8n4c6b0a-2 to https://h.example/x\n",
            Text(RunSummary.Of(TrialRun.View with { Push = push }, "/")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_push_that_failed_is_told_beside_the_runs_own_failure_with_what_to_type()
    {
        var push = new PushRecord
        {
            State = PushState.Failed, Remote = "https://h.example/x", Branch = "berth/fix/8n4c6b0a",
            Error = new Failure("push_refused", "Closed today.", string.Empty, Fault.User),
        };

        var text = Text(RunSummary.Of(TrialRun.View with { Push = push, State = RunState.Failed }, "/"));

        Assert.Contains("  delivery   Closed today. (push_refused)\n", text, StringComparison.Ordinal);
        Assert.Contains("             berth deliver 8n4c6b0a\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void From_elsewhere_the_repository_is_named() => Assert.Contains(
        "git -C '/srv/it'\\''s here' merge berth/fix/8n4c6b0a",
        Text(RunSummary.Of(TrialRun.View with { Repository = "/srv/it's here" }, "/srv/it")),
        StringComparison.Ordinal);

    [Fact]
    public void A_branch_in_a_mirror_is_not_offered_for_a_merge() => Assert.DoesNotContain(
        "merge",
        Text(RunSummary.Of(TrialRun.View with { Repository = "https://git.example.com/x.git" }, "/")),
        StringComparison.Ordinal);

    [Fact]
    public void A_run_that_changed_nothing_says_so() => Assert.Equal(
        """
        succeeded in 12.9 s · 4 turns · 4400 tokens · $0.024
          branch     none: the run changed nothing that could be delivered

        """,
        Text(RunSummary.Of(TrialRun.View with { Branch = null, Commits = [], FilesChanged = [] }, "/")));

    [Fact]
    public void A_failure_says_why_and_what_to_do()
    {
        var run = TrialRun.View with
        {
            State = RunState.Failed,
            Branch = null,
            Error = new Failure("api_error", "The model answered 529.", "Try again later.", Fault.Model),
            PermissionDenials = [],
            Cleanup = new CleanupView(CleanupState.Leaked, ["/runs/x/home"]),
            Warnings = ["The transcript may be incomplete."],
        };

        Assert.Equal(
            """
            failed in 12.9 s · 4 turns · 4400 tokens · $0.024
              why        The model answered 529. (api_error)
                         Try again later.
              note       The transcript may be incomplete.
              left over  /runs/x/home
              next       berth logs 8n4c6b0a

            """,
            Text(RunSummary.Of(run, "/")));
    }

    [Fact]
    public void Details_say_everything_that_can_be_read()
    {
        var text = Text(RunDetails.Of(TrialRun.View with { Result = "line one\nline two" }, "/"));

        Assert.All(
            (string[])
            [
                TrialRun.View.Id, "local (asked for)", "bubblewrap", "instructions", "2.1.330",
                "2026-11-22 10:00:00 UTC", "prepare 38 ms · start 120 ms · run 12.0 s", "code 0",
                "  line one\n  line two\n",
            ],
            expected => Assert.Contains(expected, text, StringComparison.Ordinal));
    }

    private static string Text(IEnumerable<Line> lines)
    {
        using var writer = new StringWriter();
        var screen = new PlainScreen(writer);
        foreach (var line in lines)
        {
            screen.Write(line);
        }

        return writer.ToString();
    }
}
