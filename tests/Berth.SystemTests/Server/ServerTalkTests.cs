using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Talking to a server's runs by command, and what the audit has of it.</summary>
public sealed class ServerTalkTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_interrupts_and_decisions_go_to_a_server_and_are_in_its_audit()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var home = server.Home;
        await WriteWorkflowAsync(server, "60s");
        var run = await server.SubmitAsync(
            "bash echo one > one.txt\n---\nbash echo two > two.txt\n---\nbash echo three > three.txt\n---\n"
                + "text Done.",
            Soon, new(StringComparer.Ordinal) { ["workflow"] = "careful" });
        var id = run.GetProperty("id").GetString()!;
        home.Set("BERTH_SERVER", server.Url.AbsoluteUri);
        home.Set("BERTH_TOKEN", server.Token);

        await WaitingAsync(server, id, "one.txt");
        var approved = await home.BerthAsync(Soon, "approve", id[^8..], "--json");
        await WaitingAsync(server, id, "two.txt");
        var denied = await home.BerthAsync(Soon, "deny", id, "--reason", "No second file.", "--json");
        await WaitingAsync(server, id, "three.txt");
        var interrupted = await home.BerthAsync(Soon, "interrupt", id, "--json");
        var sent = await home.BerthAsync(
            Soon, "send", id, BerthHome.Prompt("text All is well."), "--priority", "now", "--json");
        var ended = await server.FinalAsync(id, Soon);
        var late = await home.BerthAsync(Soon, "send", id, "hello", "--json");
        home.Set("BERTH_SERVER", null);

        Assert.Equal(("allow", "deny"), (
            approved.Json.GetProperty("decision").GetString(), denied.Json.GetProperty("decision").GetString()));
        Assert.True(interrupted.Json.GetProperty("isOver").GetBoolean());
        Assert.True(sent.ExitCode == 0, sent.Error);
        Assert.Equal("run_over", late.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("All is well.", ended.GetProperty("result").GetString());
        Assert.Equal(["one.txt"], ended.GetProperty("filesChanged").EnumerateArray()
            .Select(file => file.GetProperty("path").GetString()));
        Assert.Equal(
            [
                "admin run.create", "admin run.approve", "admin run.deny", "berth (withdrawn) run.deny",
                "admin run.interrupt", "admin run.message",
            ],
            AuditOf(server, id).OrderBy(OrderOf));
    }

    [Fact]
    public async Task What_the_time_limit_decides_while_the_server_is_dead_is_in_the_audit_of_the_next_one()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await WriteWorkflowAsync(server, "3s");
        var run = await server.SubmitAsync(
            "bash echo one > one.txt\n---\ntext Done.", Soon,
            new(StringComparer.Ordinal) { ["workflow"] = "careful" });
        var id = run.GetProperty("id").GetString()!;
        await WaitingAsync(server, id, "one.txt");
        await server.KillAsync(Soon);
        await server.Home.WaitForJournalAsync(id, "\"cause\":\"timeout\"");
        await server.StartAgainAsync(Soon);
        var ended = await server.FinalAsync(id, Soon);

        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        Assert.Empty(ended.GetProperty("filesChanged").EnumerateArray());
        Assert.Equal(["admin run.create", "berth (timeout) run.deny"], AuditOf(server, id));
    }

    private static int OrderOf(string row) => Array.FindIndex(
        ["create", "approve", "admin run.deny", "withdrawn", "interrupt", "message"],
        word => row.Contains(word, StringComparison.Ordinal));

    private static async Task WriteWorkflowAsync(ServerHome server, string timeout)
    {
        var (status, text) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/workflows", Soon, JsonSerializer.Serialize(new
            {
                name = "careful",
                prompt = "# Works with care\n",
                allowedTools = Array.Empty<string>(),
                settings = new { permissions = "ask", approvalTimeout = timeout },
            }));
        Assert.True((int)status < 300, text);
    }

    private static Task WaitingAsync(ServerHome server, string id, string word) => Eventually.TrueAsync(
        async () => (await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/approvals", Soon)).Body
            .Contains(word, StringComparison.Ordinal),
        $"a call with {word} waits",
        BerthHome.Patience);

    private static IEnumerable<string> AuditOf(ServerHome server, string id) =>
        from row in ServerState.Audit(server)
        let at = row.IndexOf(id, StringComparison.Ordinal)
        where at > 0
        select row[..at].TrimEnd();
}
