using System.Net;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Berth.SystemTests.Storage;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Servers that share the queue of one PostgreSQL.</summary>
[Collection(Alone.Name)]
public sealed class SharedQueueTests
{
    private const int Runs = 200;
    private const string Works = "bash echo hello > hello.txt\n---\ntext Done.";
    private const string WaitsFor =
        "bash while [ ! -e go ]; do sleep 0.05; done; echo hello > hello.txt\n---\ntext Done.";

    // A CLI that costs nothing: the queue is what is tried here.
    private const string Cli = """
        #!/bin/sh
        if [ "$1" = --version ]; then echo '2.1.330 (Claude Code)'; exit; fi
        read -r prompt
        echo '{"type":"system","subtype":"init","session_id":"s","model":"m","tools":[]}'
        echo once >> done.txt
        sleep 0.2
        echo '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"done","total_cost_usd":0}'
        """;

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_servers_execute_each_of_200_runs_once_although_one_is_killed_in_the_middle()
    {
        using var postgres = new PostgresPlace();
        await using var one = await PrepareAsync(postgres, SystemTestEnvironment.PublishedBerth);
        await using var two = await PrepareAsync(postgres, SystemTestEnvironment.PublishedBerth);
        foreach (var server in new[] { one, two })
        {
            var program = Path.Combine(server.Home.Folder, "claude");
            await File.WriteAllTextAsync(program, Cli, Soon);
            File.SetUnixFileMode(
                program, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupRead
                    | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
            server.Home.Set("BERTH_CLAUDE", program);
            server.Home.Set("CLAUDE_CODE_MAX_CONCURRENT", "8");
        }

        await one.StartAgainAsync(Soon);
        two.Token = one.Token;
        await two.StartAgainAsync(Soon);

        // All are asked of the one that lives on, on one repository, which both would see at the same address.
        var submitting = Task.WhenAll(Enumerable.Range(0, Runs).Select(async _ =>
            (await two.SubmitAsync(
                "text -", Soon, new(StringComparer.Ordinal) { ["repository"] = one.Home.Repository }))
                .GetProperty("id").GetString()!));
        await Eventually.TrueAsync(
            async () => await CountAsync(two, "succeeded") > Runs / 4, "a quarter is done", BerthHome.Patience);
        await one.KillAsync(Soon);
        var atDeath = await CountAsync(two, "succeeded");
        var ids = await submitting;
        await Eventually.TrueAsync(
            async () => await CountAsync(two, "queued") == 0, "the other one goes on", BerthHome.Patience);
        await one.StartAgainAsync(Soon);
        foreach (var id in ids)
        {
            var run = await two.FinalAsync(id, Soon);
            Assert.True(run.GetProperty("state").ValueEquals("succeeded"), run.ToString());
        }

        var branches = await one.Home.GitAsync(Soon, "for-each-ref", "--format=%(refname:short)", "refs/heads/berth");
        Assert.InRange(atDeath, 1, Runs - 16);
        Assert.Equal(
            ids.Select(id => $"berth/implement/{id[^8..]}").Order(StringComparer.Ordinal),
            branches.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
        foreach (var id in ids)
        {
            Assert.Equal(1, StartsIn(one, id) + StartsIn(two, id));
        }
    }

    [Fact]
    public async Task Each_server_answers_for_the_runs_of_the_other_and_says_when_that_one_is_away()
    {
        using var postgres = new PostgresPlace();
        await using var one = await PrepareAsync(postgres);
        await using var two = await PrepareAsync(postgres);
        await one.StartAgainAsync(Soon);
        two.Token = one.Token;
        var id = (await one.SubmitAsync(WaitsFor, Soon)).GetProperty("id").GetString()!;
        await Eventually.TrueAsync(() => Directory.Exists(Workspace(one, id)), "the agent works", BerthHome.Patience);
        await two.StartAgainAsync(Soon);
        var reading = two.EventsAsync(id, after: 0, Soon);
        await File.WriteAllTextAsync(Path.Combine(Workspace(one, id), "go"), string.Empty, Soon);

        var final = await two.FinalAsync(id, Soon);
        var events = await reading;
        Assert.Equal("succeeded", final.GetProperty("state").GetString());
        Assert.NotEqual(JsonValueKind.Null, final.GetProperty("server").ValueKind);
        Assert.Equal(
            Enumerable.Range(1, events.Count).Select(seq => (long)seq),
            events.Select(entry => entry.GetProperty("seq").GetInt64()));
        Assert.Equal("run_finished", events[^1].GetProperty("data").GetProperty("type").GetString());
        foreach (var path in new[]
        {
            "diff", "patch", "log", "diff?stat=true", "events?after=2&follow=false", "artifacts",
            "artifacts/transcript.ndjson", "artifacts/conversation.jsonl", "artifacts/changes.patch",
        })
        {
            var there = await one.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/{path}", Soon);
            var here = await two.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/{path}", Soon);
            Assert.Equal(HttpStatusCode.OK, here.Status);
            Assert.NotEmpty(here.Body);
            Assert.Equal(there.Body, here.Body);
        }

        var refused = await two.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/diff?file=../x", Soon);
        var cleaned = await two.AskAsync(HttpMethod.Delete, $"/api/v1/runs/{id}", Soon);
        Assert.Equal(HttpStatusCode.NotFound, refused.Status);
        Assert.Equal(HttpStatusCode.OK, cleaned.Status);

        await one.KillAsync(Soon);
        var (status, body) = await two.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/log", Soon);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("server_away", body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await two.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}", Soon)).Status);
    }

    [Fact]
    public async Task Who_reads_a_run_that_waits_reads_on_wherever_it_is_taken()
    {
        using var postgres = new PostgresPlace();
        await using var one = await PrepareAsync(postgres);
        await using var two = await PrepareAsync(postgres);
        one.Home.Set("CLAUDE_CODE_MAX_CONCURRENT", "1");
        await one.StartAgainAsync(Soon);
        two.Token = one.Token;
        var first = (await one.SubmitAsync(WaitsFor, Soon)).GetProperty("id").GetString()!;
        await Eventually.TrueAsync(() => Directory.Exists(Workspace(one, first)), "it works", BerthHome.Patience);
        var waits = (await one.SubmitAsync(Works, Soon, new(StringComparer.Ordinal)
        {
            ["env"] = new Dictionary<string, string>(StringComparer.Ordinal) { ["CANARY"] = "canary-value-1" },
        })).GetProperty("id").GetString()!;
        var reading = one.EventsAsync(waits, after: 0, Soon);
        var following = one.AskAsync(HttpMethod.Get, $"/api/v1/runs/{waits}/log?follow=true", Soon);
        Assert.False(Directory.Exists(Path.Combine(one.Home.Home, "runs", waits)));

        await two.StartAgainAsync(Soon);
        var events = await reading;

        Assert.Equal("run_finished", events[^1].GetProperty("data").GetProperty("type").GetString());
        Assert.Equal(events.Count, events[^1].GetProperty("seq").GetInt64());
        Assert.Contains("\"type\":\"result\"", (await following).Body, StringComparison.Ordinal);
        Assert.Equal("succeeded", (await one.FinalAsync(waits, Soon)).GetProperty("state").GetString());
        Assert.True(Directory.Exists(Path.Combine(two.Home.Home, "runs", waits)));
        Assert.Equal(0L, postgres.Execute("select count(*) from run_files"));
        var cancelled = await two.AskAsync(HttpMethod.Post, $"/api/v1/runs/{first}/cancel", Soon);
        Assert.Equal(HttpStatusCode.OK, cancelled.Status);
        Assert.Equal("cancelled", (await two.FinalAsync(first, Soon)).GetProperty("state").GetString());
    }

    [Fact]
    public async Task A_copy_of_a_home_is_refused_while_the_first_one_lives_and_may_start_when_it_has_ended()
    {
        using var postgres = new PostgresPlace();
        await using var one = await PrepareAsync(postgres);
        await using var two = await PrepareAsync(postgres);
        await one.StartAgainAsync(Soon);
        Directory.CreateDirectory(two.Home.Home);
        await Eventually.TrueAsync(() => (long)postgres.Execute("select count(*) from servers")! > 0, "it said so");
        File.Copy(Path.Combine(one.Home.Home, "server-id"), Path.Combine(two.Home.Home, "server-id"));

        var refused = await two.Home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("server_id_taken", refused.Error, StringComparison.Ordinal);
        await one.KillAsync(Soon);
        two.Token = one.Token;
        await two.StartAgainAsync(Soon);
        two.Signal(15);
        Assert.Equal(0, await two.EndAsync(Soon));
        Assert.Equal(string.Empty, postgres.Execute("select place from servers"));
    }

    private static Task<ServerHome> PrepareAsync(PostgresPlace postgres, string? program = null) =>
        ServerHome.PrepareAsync(
            Soon, PostgresPlace.SettingsOf(postgres, ("BERTH_AWAY", "2")), program);

    private static string Workspace(ServerHome server, string id) =>
        Path.Combine(server.Home.Home, "runs", id, "workspace");

    private static async Task<int> CountAsync(ServerHome server, string state)
    {
        var (_, body) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs?state={state}&limit=500", Soon);
        return JsonDocument.Parse(body).RootElement.GetProperty("runs").GetArrayLength();
    }

    // How often the run's agent was started by a home.
    private static int StartsIn(ServerHome server, string id)
    {
        var journal = Path.Combine(server.Home.Home, "runs", id, "events.ndjson");
        return File.Exists(journal)
            ? File.ReadLines(journal).Count(
                line => line.Contains("\"type\":\"agent_started\"", StringComparison.Ordinal))
            : 0;
    }
}
