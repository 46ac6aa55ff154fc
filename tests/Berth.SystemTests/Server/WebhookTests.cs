using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>What a real server tells receivers of its runs, whoever dies and whatever they do.</summary>
public sealed class WebhookTests
{
    private const string Works = "bash echo hello > hello.txt\n---\ntext Done.";
    private const string Waits = "bash touch started; sleep 600\n---\ntext Done.";
    private const string Key = "c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3Jl";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_receiver_is_told_what_becomes_of_a_run_and_can_know_who_says_it()
    {
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var server = await ServerHome.StartAsync(Soon, To(receiver));

        var id = await SubmitAsync(server, Works);
        await ToldAsync(receiver, id, "run.finished");
        var run = await server.FinalAsync(id, Soon);

        Assert.Equal(
            ["run.accepted", "run.finished", "run.started"],
            receiver.Requests.Select(TypeOf).Order(StringComparer.Ordinal));
        Assert.All(receiver.Requests, AssertSigned);
        Assert.All(receiver.Requests, request => Assert.Equal(id, Data(request).GetProperty("id").GetString()));
        Assert.All(receiver.Requests, request => Assert.Equal("/hooks", request.Path));
        var finished = receiver.Requests.Single(request => TypeOf(request) is "run.finished");
        Assert.Equal("succeeded", Data(finished).GetProperty("state").GetString());
        Assert.Equal($"run_finished_{id}", finished.Headers["webhook-id"]);
        Assert.Equal(
            run.GetProperty("finishedAt").GetDateTimeOffset(),
            JsonDocument.Parse(finished.Body).RootElement.GetProperty("timestamp").GetDateTimeOffset());
        await Eventually.TrueAsync(() => Waiting(server) == 0, "nothing waits any more");
    }

    [Fact]
    public async Task One_that_fails_is_tried_again_and_delays_neither_the_run_nor_another_receiver()
    {
        await using var good = await LoopbackReceiver.StartAsync(Soon);
        await using var fails = await LoopbackReceiver.StartAsync(Soon, (number, context) =>
        {
            context.Response.StatusCode = number <= 2 ? 503 : 204;
            return Task.CompletedTask;
        });
        await using var hangs = await LoopbackReceiver.StartAsync(
            Soon, (_, context) => Task.Delay(Timeout.Infinite, context.RequestAborted)
                .ContinueWith(static _ => { }, TaskScheduler.Default));
        await using var redirects = await LoopbackReceiver.StartAsync(Soon, (_, context) =>
        {
            context.Response.Redirect(new Uri(good.Url, "/elsewhere").AbsoluteUri);
            return Task.CompletedTask;
        });
        await using var server = await ServerHome.StartAsync(
            Soon, [.. To(hangs, redirects, fails, good), ("BERTH_WEBHOOK_EVENTS", "run.finished")]);

        var id = await SubmitAsync(server, Works);
        var run = await server.FinalAsync(id, Soon);
        await ToldAsync(good, id, "run.finished");
        await Eventually.TrueAsync(() => fails.Requests.Count == 3, "it is tried three times");
        await Eventually.TrueAsync(() => redirects.Requests.Count > 1 && hangs.Requests.Count > 1, "so are they");
        await server.Home.BerthAsync(Soon, "drain");
        await server.EndAsync(Soon);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("/hooks", Assert.Single(good.Requests).Path);
        Assert.Single(fails.Requests.Select(request => request.Headers["webhook-id"]).Distinct(StringComparer.Ordinal));
        Assert.Single(fails.Requests.Select(BodyOf).Distinct(StringComparer.Ordinal));
        Assert.All(fails.Requests, AssertSigned);
        Assert.Equal(4, server.Log.Split("does not take messages").Length);
        Assert.Contains("takes messages again", server.Log, StringComparison.Ordinal);
        Assert.Contains("it answered 302", server.Log, StringComparison.Ordinal);
        Assert.Contains("it did not answer within 10 s", server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("/hooks", server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(Key, server.Log, StringComparison.Ordinal);
        Assert.Equal(2, Waiting(server));
    }

    [Fact]
    public async Task A_server_that_is_killed_loses_no_message()
    {
        var isUp = false;
        await using var receiver = await LoopbackReceiver.StartAsync(Soon, (_, context) =>
        {
            context.Response.StatusCode = Volatile.Read(ref isUp) ? 200 : 503;
            return Task.CompletedTask;
        });
        await using var server = await ServerHome.StartAsync(Soon, To(receiver));
        var accepted = await SubmitAsync(server, Waits);
        await server.KillAsync(Soon);
        await server.StartAgainAsync(Soon);
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(server.Home.Home, "runs", accepted, "workspace", "started")), "it works");
        await server.KillAsync(Soon);

        // While there is no server another program finishes the run, and has no receivers in its settings.
        server.Home.Set("BERTH_WEBHOOKS", null);
        await server.Home.BerthAsync(Soon, "cancel", accepted);
        await Eventually.TrueAsync(
            async () => (await server.Home.BerthAsync(Soon, "show", accepted, "--json")).Json
                .GetProperty("state").ValueEquals("cancelled"),
            "it ends");
        server.Home.Set("BERTH_WEBHOOKS", To(receiver)[0].Value);
        Volatile.Write(ref isUp, true);
        await server.StartAgainAsync(Soon);

        await ToldAsync(receiver, accepted, "run.finished");
        await Eventually.TrueAsync(() => Waiting(server) == 0, "all are taken");
        Assert.Equal(
            ["run.accepted", "run.finished", "run.started"],
            receiver.Requests.Select(TypeOf).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        Assert.Equal(
            3, receiver.Requests.Select(request => request.Headers["webhook-id"]).Distinct(StringComparer.Ordinal)
                .Count());
    }

    [Fact]
    public async Task An_inner_address_is_not_connected_to_whatever_its_name()
    {
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        var port = receiver.Url.Port.ToString(CultureInfo.InvariantCulture);
        await using var server = await ServerHome.StartAsync(Soon,
        [
            ("BERTH_WEBHOOKS", $"http://127.0.0.1:{port}/x,http://localhost:{port}/x,http://[::1]:{port}/x"),
            ("BERTH_WEBHOOK_SECRET", Key),
        ]);

        var id = await SubmitAsync(server, Works);
        await server.FinalAsync(id, Soon);
        await Eventually.TrueAsync(
            () => Scalar(server, "select count(*) from webhooks where tries > 1") >= 9, "all are tried again");
        await server.Home.BerthAsync(Soon, "drain");
        await server.EndAsync(Soon);

        Assert.Empty(receiver.Requests);
        Assert.Equal(4, server.Log.Split("which BERTH_WEBHOOK_PRIVATE does not permit").Length);
    }

    [Fact]
    public async Task A_receiver_is_not_told_of_what_was_before_it()
    {
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var server = await ServerHome.StartAsync(Soon);
        await server.FinalAsync(await SubmitAsync(server, Works), Soon);
        await server.KillAsync(Soon);
        foreach (var (name, value) in To(receiver))
        {
            server.Home.Set(name, value);
        }

        await server.StartAgainAsync(Soon);
        var later = await SubmitAsync(server, Works);
        await ToldAsync(receiver, later, "run.finished");

        Assert.All(receiver.Requests, request => Assert.Equal(later, Data(request).GetProperty("id").GetString()));
    }

    [Fact]
    public async Task Without_a_good_secret_it_does_not_start()
    {
        await using var home = await BerthHome.CreateAsync(Soon);
        var file = Path.Combine(home.Folder, "secret");
        home.Set("BERTH_WEBHOOKS", "https://hooks.example.com/x");

        var without = await home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");
        home.Set("BERTH_WEBHOOK_SECRET_FILE", file);
        var unreadable = await home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");
        await File.WriteAllTextAsync(file, "c2hvcnQ=\n", Soon);
        var tooShort = await home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");

        Assert.Contains("webhook_secret_missing", without.Error, StringComparison.Ordinal);
        Assert.Contains("webhook_secret_missing", unreadable.Error, StringComparison.Ordinal);
        Assert.Contains("webhook_secret_invalid", tooShort.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("c2hvcnQ", tooShort.Error, StringComparison.Ordinal);
    }

    private static (string Name, string Value)[] To(params LoopbackReceiver[] receivers) =>
    [
        ("BERTH_WEBHOOKS", string.Join(',', receivers.Select(receiver => new Uri(receiver.Url, "/hooks").AbsoluteUri))),
        ("BERTH_WEBHOOK_SECRET", $"whsec_{Key}"),
        ("BERTH_WEBHOOK_PRIVATE", "127.0.0.0/8"),
    ];

    private static async Task<string> SubmitAsync(ServerHome server, string script) =>
        (await server.SubmitAsync(script, Soon)).GetProperty("id").GetString()!;

    private static Task ToldAsync(LoopbackReceiver receiver, string id, string type) => Eventually.TrueAsync(
        () => receiver.Requests.Any(request => string.Equals(TypeOf(request), type, StringComparison.Ordinal)
            && Data(request).GetProperty("id").ValueEquals(id)),
        $"{type} of {id} comes",
        BerthHome.Patience);

    // As any library of Standard Webhooks does it.
    private static void AssertSigned(Received request)
    {
        var signed = $"{request.Headers["webhook-id"]}.{request.Headers["webhook-timestamp"]}.{BodyOf(request)}";
        var hash = HMACSHA256.HashData(Convert.FromBase64String(Key), Encoding.UTF8.GetBytes(signed));
        Assert.Equal($"v1,{Convert.ToBase64String(hash)}", request.Headers["webhook-signature"]);
        var sent = DateTimeOffset.FromUnixTimeSeconds(
            long.Parse(request.Headers["webhook-timestamp"], CultureInfo.InvariantCulture));
        Assert.InRange(TimeProvider.System.GetUtcNow() - sent, TimeSpan.Zero, TimeSpan.FromMinutes(5));
        Assert.Equal("application/json", request.Headers["Content-Type"]);
    }

    private static string BodyOf(Received request) => Encoding.UTF8.GetString(request.Body.Span);

    private static string? TypeOf(Received request) =>
        JsonDocument.Parse(request.Body).RootElement.GetProperty("type").GetString();

    private static JsonElement Data(Received request) =>
        JsonDocument.Parse(request.Body).RootElement.GetProperty("data");

    private static long Waiting(ServerHome server) => Scalar(server, "select count(*) from webhooks");

    private static long Scalar(ServerHome server, string sql)
    {
        var file = Path.Combine(server.Home.Home, "berth.db");
        using var connection = new SqliteConnection($"Data Source={file};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }
}
