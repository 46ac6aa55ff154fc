using System.Security.Cryptography;
using System.Text.Json;
using Berth.SystemTests.Storage;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>A server that dies, is told to end, or is not alone.</summary>
public abstract class ServerDeathConformance
{
    private const int Runs = 30;
    private const int Deaths = 50;
    private const string Works =
        "bash sleep 0.3; echo hello > hello.txt\n---\nbash sleep 0.2; cat hello.txt\n---\ntext Done.";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    /// <summary>The database of the tests; null for the home's own.</summary>
    private protected virtual PostgresPlace? Postgres => null;

    [Fact]
    public async Task A1_killed_at_fifty_moments_it_loses_no_run_and_no_event()
    {
        await using var server = await StartAsync([("CLAUDE_CODE_MAX_CONCURRENT", "4")]);
        var accepted = new List<string>();
        var deaths = 0;
        while (deaths < Deaths || accepted.Count < Runs)
        {
            var submitting = SubmitAsync(server, accepted);
            await Task.Delay(RandomNumberGenerator.GetInt32(600), Soon);
            if (deaths < Deaths)
            {
                await server.KillAsync(Soon);
                deaths++;
            }

            await submitting;
            if (!server.IsRunning)
            {
                await server.StartAgainAsync(Soon);
            }
        }

        foreach (var id in accepted)
        {
            var run = await server.FinalAsync(id, Soon);
            var events = await server.EventsAsync(id, after: 0, Soon);
            Assert.Equal("succeeded", run.GetProperty("state").GetString());
            Assert.Equal("done", run.GetProperty("cleanup").GetProperty("state").GetString());
            Assert.Equal(
                Enumerable.Range(1, events.Count).Select(seq => (long)seq),
                events.Select(entry => entry.GetProperty("seq").GetInt64()));
            Assert.Equal(1, events.Count(entry => TypeOf(entry) is "run_accepted"));
            Assert.Equal(1, events.Count(entry => TypeOf(entry) is "agent_started"));
            Assert.Equal("run_finished", TypeOf(events[^1]));
        }
    }

    [Fact]
    public async Task Told_to_end_it_lets_go_within_5_s_and_the_next_one_goes_on()
    {
        await using var server = await StartAsync();
        var id = (await server.SubmitAsync("bash touch started; sleep 3\n---\ntext Done.", Soon))
            .GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(server.Home.Home, "runs", id, "workspace", "started")), "the agent works");
        var reading = server.EventsAsync(id, after: 0, Soon);

        var began = TimeProvider.System.GetTimestamp();
        var drained = await server.Home.BerthAsync(Soon, "drain");
        var code = await server.EndAsync(Soon);
        var took = TimeProvider.System.GetElapsedTime(began);
        var before = await reading;
        await server.StartAgainAsync(Soon);
        var after = await server.EventsAsync(id, before[^1].GetProperty("seq").GetInt64(), Soon);
        var run = await server.FinalAsync(id, Soon);

        Assert.Equal(0, drained.ExitCode);
        Assert.Equal(0, code);
        Assert.InRange(took, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Equal(
            Enumerable.Range(1, before.Count + after.Count).Select(seq => (long)seq),
            before.Concat(after).Select(entry => entry.GetProperty("seq").GetInt64()));
        Assert.Equal("run_finished", TypeOf(after[^1]));
        Assert.Equal("succeeded", run.GetProperty("state").GetString());
    }

    [Fact]
    public async Task A16_a_second_server_on_one_home_is_refused_and_names_the_first()
    {
        await using var server = await StartAsync();

        var second = await server.Home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");

        Assert.Equal(1, second.ExitCode);
        Assert.Contains("server_running", second.Error, StringComparison.Ordinal);
        Assert.Contains($"process {server.ProcessId}", second.Error, StringComparison.Ordinal);
        Assert.Contains(server.Url.AbsoluteUri.TrimEnd('/'), second.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_leave_waiting_runs_to_the_server_and_a_home_without_one_too()
    {
        await using var server = await StartAsync([("CLAUDE_CODE_MAX_CONCURRENT", "1")]);
        var first = (await server.SubmitAsync("bash sleep 600\n---\ntext Done.", Soon)).GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            async () => (await server.ShowAsync(first, Soon)).GetProperty("state").ValueEquals("running"), "it works");
        var second = (await server.SubmitAsync(Works, Soon)).GetProperty("id").GetString()!;
        await server.KillAsync(Soon);

        var listed = await server.Home.BerthAsync(Soon, "ps", "--json");
        var waiting = listed.Json.EnumerateArray()
            .Single(run => run.GetProperty("id").ValueEquals(second));
        await server.Home.BerthAsync(Soon, "cancel", first);
        await server.StartAgainAsync(Soon);

        Assert.Equal("queued", waiting.GetProperty("state").GetString());
        Assert.Equal("cancelled", (await server.FinalAsync(first, Soon)).GetProperty("state").GetString());
        Assert.Equal("succeeded", (await server.FinalAsync(second, Soon)).GetProperty("state").GetString());
    }

    private Task<ServerHome> StartAsync(params (string Name, string Value)[] settings) =>
        ServerHome.StartAsync(Soon, PostgresPlace.SettingsOf(Postgres, settings));

    // A request that died with the server was accepted, or was not: then it is asked again, with its key.
    private static async Task SubmitAsync(ServerHome server, List<string> accepted)
    {
        var key = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["idempotencyKey"] = $"run {accepted.Count}",
        };
        try
        {
            if (accepted.Count < Runs)
            {
                accepted.Add((await server.SubmitAsync(Works, Soon, key)).GetProperty("id").GetString()!);
            }
        }
        catch (HttpRequestException)
        {
            // The server was killed meanwhile.
        }
    }

    private static string? TypeOf(JsonElement entry) =>
        entry.GetProperty("stream").GetString() is "berth"
            ? entry.GetProperty("data").GetProperty("type").GetString()
            : null;
}
