using System.Net;
using System.Text.RegularExpressions;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Metrics as Prometheus reads them, and traces that go on from a caller's.</summary>
public sealed partial class MetricsEndpointTests
{
    private const string Script = "bash echo x > x\n---\ntext Done.";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F68_Each_metric_of_the_documents_queries_is_there_for_who_has_a_token()
    {
        await using var server = await ServerHome.StartAsync(Soon, [("BERTH_METRICS", "token")]);
        await server.FinalAsync((await server.SubmitAsync(Script, Soon)).GetProperty("id").GetString()!, Soon);

        var (refused, _) = await server.AskAsync(HttpMethod.Get, "/metrics", Soon, token: "wrong");
        var names = QueriedMetrics();
        var text = string.Empty;
        await Eventually.TrueAsync(
            async () => (text = (await server.AskAsync(HttpMethod.Get, "/metrics", Soon)).Body)
                .Contains("berth_runs_ended_total", StringComparison.Ordinal),
            "the run is counted");
        Assert.All(names, name => Assert.Contains(name, text, StringComparison.Ordinal));

        Assert.Equal(HttpStatusCode.Unauthorized, refused);
        Assert.NotEmpty(names);
        Assert.Contains("http_route=\"/api/v1/runs/{id}\"", text, StringComparison.Ordinal);
        Assert.Contains("gen_ai_provider_name=\"anthropic\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F68_Metrics_are_open_or_away_as_the_setting_says()
    {
        await using var open = await ServerHome.StartAsync(Soon, [("BERTH_METRICS", "open")]);
        await using var off = await ServerHome.StartAsync(Soon);

        Assert.Equal(
            HttpStatusCode.OK, (await open.AskAsync(HttpMethod.Get, "/metrics", Soon, token: string.Empty)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await off.AskAsync(HttpMethod.Get, "/metrics", Soon)).Status);
    }

    [Fact]
    public async Task F68_A_run_goes_on_with_the_trace_of_its_asker_and_says_what_it_used_of_the_model()
    {
        const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        const string Parent = "00f067aa0ba902b7";
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var server = await ServerHome.StartAsync(
            Soon,
            [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.Url.AbsoluteUri),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ]);
        using var http = new HttpClient();
        using var request = server.Request(HttpMethod.Post, "/api/v1/runs");
        request.Headers.Add("traceparent", $"00-{Trace}-{Parent}-01");
        request.Content = new StringContent(server.Body(Script), System.Text.Encoding.UTF8, "application/json");
        using var accepted = await http.SendAsync(request, Soon);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);

        OtlpSpan[] spans = [];
        await Eventually.TrueAsync(
            () => (spans = [.. receiver.Requests.Where(each => each.Path is "/v1/traces")
                .SelectMany(each => OtlpReading.Spans(each.Body))]).Any(span => span.Name is "berth.run"),
            "the trace comes",
            EndToEnd.BerthHome.Patience);

        var root = Assert.Single(spans, span => span.Name is "berth.run");
        Assert.Equal((Trace, Parent), (root.TraceId, root.Parent));
        Assert.All(spans, span => Assert.Equal(Trace, span.TraceId));
        Assert.Equal("invoke_agent", root.Attributes["gen_ai.operation.name"]);
        Assert.Equal("anthropic", root.Attributes["gen_ai.provider.name"]);
        Assert.True(long.Parse(root.Attributes["gen_ai.usage.output_tokens"], null) > 0);
    }

    private static IReadOnlyList<string> QueriedMetrics()
    {
        var text = File.ReadAllText(
            Path.Combine(SystemTestEnvironment.RepositoryRoot, "docs", "MONITORING.md"));
        var queries = text.Split("```promql\n")[1].Split("```")[0];
        return [.. Metric().Matches(queries).Select(match => match.Value).Distinct(StringComparer.Ordinal)];
    }

    // What stands before a bracket, a comparison or the end of its line; labels stand in "by (…)".
    [GeneratedRegex("(?:berth|http_server|gen_ai_client)_[A-Za-z_]+(?=\\[|$)", RegexOptions.Multiline, 1000)]
    private static partial Regex Metric();
}
