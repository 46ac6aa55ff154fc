using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Conversation;

/// <summary>Workflows that ask before a tool call which no rule covers, with the real CLI.</summary>
public sealed class ApprovalTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task A_call_that_no_rule_covers_waits_until_somebody_decides(string mode)
    {
        await using var home = mode is "docker" ? await DockerHome.CreateAsync() : await BerthHome.CreateAsync(Cancel);
        await WriteWorkflowAsync(home, """{"permissions": "ask"}""");
        var id = await StartAsync(
            home,
            "bash git status\n---\nbash echo yes > yes.txt\n---\ntool Write {\"file_path\": \"{{cwd}}/no.txt\", "
                + "\"content\": \"no\"}\n---\ntext Done.",
            "--mode", mode);
        var first = await WaitingAsync(home, id, "Bash");
        var shown = await home.BerthAsync(Cancel, "show", id);
        var listed = await home.BerthAsync(Cancel, "ps");
        var approved = await home.BerthAsync(Cancel, "approve", id, "--json");
        var second = await WaitingAsync(home, id, "Write");
        var denied = await home.BerthAsync(Cancel, "deny", id, "2", "--reason", "Not that file.");
        var run = await home.FinalAsync(id);

        Assert.Equal("echo yes > yes.txt", first.GetProperty("input").GetProperty("command").GetString());
        Assert.Equal(1, first.GetProperty("call").GetInt32());
        var askedAt = first.GetProperty("askedAt").GetDateTimeOffset();
        Assert.Equal(10, (first.GetProperty("deadline").GetDateTimeOffset() - askedAt).TotalMinutes, tolerance: 0.1);
        Assert.Contains("echo yes > yes.txt", shown.Output, StringComparison.Ordinal);
        Assert.Contains("waiting", listed.Output, StringComparison.Ordinal);
        Assert.Equal("allow", approved.Json.GetProperty("decision").GetString());
        Assert.Equal(2, second.GetProperty("call").GetInt32());
        Assert.True(denied.ExitCode == 0, denied.Error);
        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Empty(run.GetProperty("approvals").EnumerateArray());
        Assert.Equal(["yes.txt"], run.GetProperty("filesChanged").EnumerateArray()
            .Select(file => file.GetProperty("path").GetString()));
        Assert.Contains(
            home.Model.Requests, request => request.Text().Contains("Not that file.", StringComparison.Ordinal));
        Assert.Equal(
            [("allow", "person"), ("deny", "person")],
            DecisionsOf(home, id).Select(decision => (decision.Decision, decision.Cause)));
        Assert.All(
            DecisionsOf(home, id), decision => Assert.EndsWith("(local)", decision.By, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_call_on_which_nobody_decides_is_denied_in_time_and_a_second_decision_comes_too_late()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await WriteWorkflowAsync(home, """{"permissions": "ask", "approvalTimeout": "2s"}""");
        var id = await StartAsync(
            home, $"bash echo no > no.txt\n---\nbash git status; {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForJournalAsync(id, "\"cause\":\"timeout\"");
        var late = await home.BerthAsync(Cancel, "approve", id, "1", "--json");
        var run = await home.FinalAsync(id);

        Assert.Equal("approval_decided", late.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal(
            [("deny", "timeout"), ("deny", "timeout")],
            DecisionsOf(home, id).Select(each => (each.Decision, each.Cause)));
        Assert.Empty(run.GetProperty("filesChanged").EnumerateArray());
    }

    [Fact]
    public async Task A_run_that_waits_survives_its_host_and_can_be_interrupted_and_cancelled()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await WriteWorkflowAsync(home, """{"permissions": "ask"}""");
        var id = await StartAsync(home, "bash echo one > one.txt\n---\ntext Never.");
        await WaitingAsync(home, id, "Bash");
        await home.KillHostAsync(id);
        await home.BerthAsync(Cancel, "ps");
        var again = await WaitingAsync(home, id, "Bash");
        var interrupted = await home.BerthAsync(Cancel, "interrupt", id, "--json");
        await home.StateAsync(id, "running");
        await home.BerthAsync(
            Cancel, "send", id, BerthHome.Prompt("bash echo two > two.txt\n---\ntext Never either."));
        var other = await WaitingAsync(home, id, "Bash");
        await home.BerthAsync(Cancel, "cancel", id);
        var run = await home.FinalAsync(id);

        Assert.Equal((1, 2), (again.GetProperty("call").GetInt32(), other.GetProperty("call").GetInt32()));
        Assert.True(interrupted.Json.GetProperty("isOver").GetBoolean());
        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal([1, 2], DecisionsOf(home, id).Select(each => each.Call));
        Assert.All(DecisionsOf(home, id), each => Assert.NotEqual("allow", each.Decision));
        await HomeRuns.NothingLeftAsync(id);
    }

    [Fact]
    public async Task Two_ways_to_deal_with_a_call_that_no_rule_covers_are_refused()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await WriteWorkflowAsync(home, """{"permissions": "ask", "permissionMode": "bypass"}""");
        var refused = await home.BerthAsync(Cancel, "run", "careful", "hello", "--json");
        await WriteWorkflowAsync(home, """{"permissions": "maybe"}""");
        var unknown = await home.BerthAsync(Cancel, "run", "careful", "hello", "--json");

        Assert.All(
            new[] { refused, unknown },
            each => Assert.Equal(
                "workflow_invalid", each.Json.GetProperty("error").GetProperty("code").GetString()));
    }

    private static async Task WriteWorkflowAsync(BerthHome home, string settings)
    {
        var folder = Path.Combine(home.Home, "workflows", "careful");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "prompt.md"), "# Works with care\n", Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, "allowed_tools.json"), """["Bash(git status)"]""", Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, "workflow.json"), settings, Cancel);
    }

    private static async Task<string> StartAsync(
        BerthHome home, string script, params IReadOnlyList<string> options)
    {
        var command = await home.BerthAsync(
            Cancel, ["run", "careful", BerthHome.Prompt(script), "--detach", .. options]);
        Assert.True(command.ExitCode == 0, command.Error);
        return command.Output.Trim();
    }

    private static async Task<JsonElement> WaitingAsync(BerthHome home, string id, string tool)
    {
        JsonElement call = default;
        await Eventually.TrueAsync(
            async () =>
            {
                var run = (await home.BerthAsync(Cancel, "show", id, "--json")).Json;
                call = run.GetProperty("approvals").EnumerateArray().FirstOrDefault();
                return call.ValueKind == JsonValueKind.Object
                    && string.Equals(call.GetProperty("tool").GetString(), tool, StringComparison.Ordinal)
                    && string.Equals(run.GetProperty("state").GetString(), "waiting", StringComparison.Ordinal);
            },
            $"a call of {tool} that waits",
            BerthHome.Patience);
        return call;
    }

    private static IReadOnlyList<(int Call, string? Decision, string? Cause, string? By)> DecisionsOf(
        BerthHome home, string id) =>
    [
        .. from line in home.Journal(id).Split('\n', StringSplitOptions.RemoveEmptyEntries)
           let data = JsonDocument.Parse(line).RootElement.GetProperty("data")
           where data.ValueKind == JsonValueKind.Object && data.TryGetProperty("type", out var type)
               && type.ValueEquals("approval_decided")
           select (
               data.GetProperty("call").GetInt32(), data.GetProperty("decision").GetString(),
               data.GetProperty("cause").GetString(), data.GetProperty("by").GetString()),
    ];
}
