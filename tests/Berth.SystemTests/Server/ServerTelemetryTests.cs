using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Traces and metrics of a real server, as a receiver of OTLP gets them.</summary>
public sealed class ServerTelemetryTests
{
    private const string Secret = "s3cr3t";
    private const string Works = $"bash echo {Secret} > hello.txt\n---\ntext {Secret}";
    private static readonly string[] Phases = ["capture", "cleanup", "deliver", "prepare", "queue", "run", "start"];

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_is_one_trace_with_its_phases_and_is_counted()
    {
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var server = await ServerHome.StartAsync(Soon, To(receiver.Url));

        var id = (await server.SubmitAsync(Works, Soon)).GetProperty("id").GetString()!;
        var run = await server.FinalAsync(id, Soon);
        await TraceOfAsync(receiver, id);
        await Eventually.TrueAsync(
            () => Points(receiver).Any(point => point.Metric is "berth.runs.ended"), "the metrics come");
        await server.Home.BerthAsync(Soon, "drain");
        await server.EndAsync(Soon);

        var spans = SpansOf(receiver, id);
        var root = Assert.Single(spans, span => span.Parent.Length == 0);
        var expected = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(id)))[..32];
        Assert.Equal("berth.run", root.Name);
        Assert.All(spans, span => Assert.Equal(expected, span.TraceId));
        var children = spans.Where(span => span != root).ToList();
        Assert.Equal(Phases, children.Select(span => span.Name).Order(StringComparer.Ordinal));
        Assert.All(children, span => Assert.Equal(root.Id, span.Parent));
        Assert.All(children, span => Assert.InRange(span.From, root.From, span.To));
        Assert.All(children, span => Assert.InRange(span.To, span.From, root.To));
        Assert.False(root.IsError);
        Assert.Equal("implement", root.Attributes["berth.workflow"]);
        Assert.Equal("succeeded", root.Attributes["berth.state"]);
        Assert.Equal(
            run.GetProperty("tokens").GetProperty("output").ToString(), root.Attributes["berth.tokens.output"]);
        AssertCounted(Points(receiver));
        AssertSentAsSet(receiver);
    }

    [Fact]
    public async Task A_run_that_was_taken_over_is_one_whole_trace_too()
    {
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var server = await ServerHome.StartAsync(Soon, To(receiver.Url));
        var id = (await server.SubmitAsync("bash touch started; sleep 4; echo a > a.txt\n---\ntext Done.", Soon))
            .GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(server.Home.Home, "runs", id, "workspace", "started")), "the agent works");

        await server.KillAsync(Soon);
        await server.StartAgainAsync(Soon);
        await server.FinalAsync(id, Soon);
        var root = await TraceOfAsync(receiver, id);
        var spans = SpansOf(receiver, id);

        Assert.Equal("1", root.Attributes["berth.adoptions"]);
        Assert.Equal(
            Phases,
            spans.Where(span => span.Parent.Equals(root.Id, StringComparison.Ordinal)).Select(span => span.Name)
                .Order(StringComparer.Ordinal));
        var work = Assert.Single(spans, span => span.Name is "run");
        Assert.InRange(work.To - work.From, 4_000_000_000ul, ulong.MaxValue);
    }

    [Fact]
    public async Task A_run_that_failed_says_why_in_its_trace()
    {
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var server = await ServerHome.StartAsync(Soon, To(receiver.Url));
        var id = (await server.SubmitAsync("bash touch started; sleep 600\n---\ntext Done.", Soon))
            .GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(server.Home.Home, "runs", id, "workspace", "started")), "the agent works");
        await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{id}/cancel", Soon);
        await server.FinalAsync(id, Soon);

        var root = await TraceOfAsync(receiver, id);

        Assert.True(root.IsError);
        Assert.Equal("cancelled", root.Attributes["error.type"]);
    }

    [Fact]
    public async Task It_speaks_gRPC_where_nobody_names_a_protocol()
    {
        const int Prefix = 5;
        await using var receiver = await LoopbackReceiver.StartAsync(
            Soon,
            (_, context) =>
            {
                context.Response.ContentType = "application/grpc";
                context.Response.AppendTrailer("grpc-status", "0");
                return context.Response.Body.WriteAsync(new byte[Prefix], context.RequestAborted).AsTask();
            },
            HttpProtocols.Http2);
        var settings = To(receiver.Url).Where(each => each.Name is not "OTEL_EXPORTER_OTLP_PROTOCOL");
        await using var server = await ServerHome.StartAsync(Soon, [.. settings]);

        await server.AskAsync(HttpMethod.Get, "/api/v1/runs", Soon);
        await Eventually.TrueAsync(
            () => receiver.Requests.Any(
                request => request.Path.EndsWith("MetricsService/Export", StringComparison.Ordinal)
                    && OtlpReading.Points(request.Body[Prefix..]).Any(point => point.Metric is "berth.queue.depth")),
            "the metrics come");
        await server.Home.BerthAsync(Soon, "drain");
        await server.EndAsync(Soon);

        Assert.DoesNotContain("nobody took the telemetry", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dead_receiver_slows_nothing_and_is_told_of_once()
    {
        await using var server = await ServerHome.StartAsync(Soon, To(new Uri("http://127.0.0.1:1")));

        var id = (await server.SubmitAsync(Works, Soon)).GetProperty("id").GetString()!;
        var run = await server.FinalAsync(id, Soon);
        var began = Stopwatch.GetTimestamp();
        await server.Home.BerthAsync(Soon, "drain");
        var code = await server.EndAsync(Soon);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal(0, code);
        Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.Equal(2, server.Log.Split("nobody took the telemetry").Length);
    }

    [Fact]
    public async Task Nothing_of_it_is_loaded_where_no_place_is_named()
    {
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var without = await ServerHome.StartAsync(Soon);
        await using var with = await ServerHome.StartAsync(Soon, To(receiver.Url));
        await without.AskAsync(HttpMethod.Get, "/api/v1/runs", Soon);

        Assert.DoesNotContain("OpenTelemetry", await MapsAsync(without), StringComparison.Ordinal);
        Assert.Contains("OpenTelemetry", await MapsAsync(with), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_place_that_is_none_is_refused()
    {
        await using var home = await EndToEnd.BerthHome.CreateAsync(Soon);
        home.Set("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317");

        var refused = await home.BerthAsync(Soon, "serve", "--urls", "http://127.0.0.1:0");
        var listed = await home.BerthAsync(Soon, "ps", "--json");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("otlp_endpoint_invalid", refused.Error, StringComparison.Ordinal);
        Assert.Equal(0, listed.ExitCode);
    }

    private static void AssertCounted(List<OtlpPoint> points)
    {
        string[] expected =
        [
            "berth.cost", "berth.event.readers", "berth.gateway.requests", "berth.phase.duration", "berth.queue.depth",
            "berth.queue.oldest", "berth.queue.wait", "berth.run.duration", "berth.runs.ended", "berth.tokens",
            "berth.webhooks.waiting", "gen_ai.client.operation.duration", "gen_ai.client.token.usage",
            "http.server.active_requests", "http.server.request.duration",
        ];
        Assert.Empty(expected.Except(points.Select(point => point.Metric), StringComparer.Ordinal));
        var ended = points.Last(point => point.Metric is "berth.runs.ended");
        Assert.Equal(1, ended.Value);
        Assert.Equal(("succeeded", "local"), (ended.Attributes["berth.state"], ended.Attributes["berth.mode"]));
        Assert.Contains(points, point => point.Metric is "http.server.request.duration"
            && point.Attributes["http.route"] is "/api/v1/runs/{id}"
            && point.Attributes["http.response.status_code"] is "200");
        Assert.Contains(points, point => point.Metric is "berth.phase.duration"
            && point.Attributes["berth.phase"] is "prepare" && point.Value is 1);
        Assert.True(points.Last(point => point is { Metric: "berth.tokens" }
            && point.Attributes["berth.token.kind"] is "output").Value > 0);
    }

    private static void AssertSentAsSet(LoopbackReceiver receiver)
    {
        Assert.All(receiver.Requests, request => Assert.Equal("of-the-header", request.Headers["x-key"]));
        Assert.All(receiver.Requests, request => Assert.Equal(
            "berth-of-a-test", OtlpReading.Resource(request.Body)["service.name"]));
        Assert.All(receiver.Requests, request => Assert.DoesNotContain(
            Secret, Encoding.Latin1.GetString(request.Body.Span), StringComparison.Ordinal));
    }

    private static async Task<OtlpSpan> TraceOfAsync(LoopbackReceiver receiver, string id) =>
        await Eventually.SomeAsync(
            () => Task.FromResult(SpansOf(receiver, id).Find(span => span.Parent.Length == 0)), "the trace comes");

    private static List<OtlpSpan> SpansOf(LoopbackReceiver receiver, string id) =>
    [
        .. receiver.Requests.Where(request => request.Path is "/v1/traces")
            .SelectMany(request => OtlpReading.Spans(request.Body))
            .Where(span => string.Equals(span.Attributes["berth.run.id"], id, StringComparison.Ordinal)),
    ];

    private static List<OtlpPoint> Points(LoopbackReceiver receiver) =>
    [
        .. receiver.Requests.Where(request => request.Path is "/v1/metrics")
            .SelectMany(request => OtlpReading.Points(request.Body)),
    ];

    private static (string Name, string Value)[] To(Uri url) =>
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.AbsoluteUri), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=of-the-header"), ("OTEL_SERVICE_NAME", "berth-of-a-test"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "300"),
    ];

    private static Task<string> MapsAsync(ServerHome server) =>
        File.ReadAllTextAsync(FormattableString.Invariant($"/proc/{server.ProcessId}/maps"), Soon);
}
