using System.Reflection;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Access;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Berth.Server.Telemetry;

/// <summary>Traces and metrics of a server: sent over OTLP where somebody named a place for them, and read at /metrics
/// where that is permitted.</summary>
/// <remarks>
/// Everything about a run is told once, when it has ended, from what was recorded of it: so nothing is lost with a
/// server that dies in the middle, and the flow of a run knows nothing of this. A run's trace has no prompt, no result
/// and no path. Where no place is named, no library is loaded.
/// </remarks>
internal sealed class ServerTelemetry : IDisposable
{
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string HeadersVariable = "OTEL_EXPORTER_OTLP_HEADERS";
    private const string OffVariable = "OTEL_SDK_DISABLED";
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan EndMargin = TimeSpan.FromMilliseconds(100);

    private readonly TimeProvider time;
    private readonly ServerMetrics metrics;
    private readonly RunTrace traces = new();
    private readonly TelemetryExport export;
    private readonly ExportHealth health;

    private ServerTelemetry(BerthEngine engine, TimeProvider time, ILogger log, bool sends, bool isRead)
    {
        this.time = time;
        metrics = new ServerMetrics(engine, time);
        var version = typeof(BerthEngine).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? string.Empty;
        health = new ExportHealth(time, log);
        export = new TelemetryExport(version, sends ? health : null, isRead);
    }

    /// <summary>Starts it, or does nothing at all.</summary>
    /// <exception cref="FailureException"><c>otlp_endpoint_invalid</c>.</exception>
    public static ServerTelemetry? StartIfWanted(
        BerthEngine engine, BerthOptions options, TimeProvider time, ILogger log)
    {
        var endpoint = string.Equals(Set(options, OffVariable), "true", StringComparison.OrdinalIgnoreCase)
            ? null
            : Set(options, EndpointVariable);
        var isRead = options.Server.Metrics != MetricsAccess.Off;
        if (endpoint is null)
        {
            return isRead ? new ServerTelemetry(engine, time, log, sends: false, isRead) : null;
        }

        return Uri.TryCreate(endpoint, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            ? new ServerTelemetry(engine, time, log, sends: true, isRead)
            : throw new FailureException(
                "otlp_endpoint_invalid",
                $"{EndpointVariable} is not an http or https URL.",
                "Set it to a collector, such as http://127.0.0.1:4317, or unset it.",
                Fault.Operator);
    }

    /// <summary>What of it the log must not show: the values of headers, which are credentials.</summary>
    public static IEnumerable<string> SecretsOf(BerthOptions options) => Set(options, HeadersVariable) is { } headers
        ? headers.Split(',').Select(header => header[(header.IndexOf('=', StringComparison.Ordinal) + 1)..].Trim())
        : [];

    /// <summary>A run has ended.</summary>
    public void Ended(RunRecord run)
    {
        var phases = PhaseSpan.Of(run);
        metrics.Ended(run, phases);
        traces.Ended(run, phases);
    }

    /// <summary>Adds the address where metrics are read, where there is to be one.</summary>
    public void Map(IEndpointRouteBuilder routes, MetricsAccess access)
    {
        if (access == MetricsAccess.Off)
        {
            return;
        }

        var endpoint = export.Map(routes, "/metrics");
        if (access == MetricsAccess.Token)
        {
            endpoint.WithMetadata(new NeedsRole(Role.Viewer));
        }
    }

    /// <summary>Sends what is left, as far as that is quick.</summary>
    /// <param name="most">How long the server still has.</param>
    public async Task EndAsync(TimeSpan most)
    {
        health.End();
        var limit = TimeSpan.FromTicks(Math.Clamp(most.Ticks, 0, EndLimit.Ticks));
        try
        {
            await export.EndAsync((int)limit.TotalMilliseconds).WaitAsync(limit + EndMargin, time);
        }
        catch (TimeoutException)
        {
            // Nobody takes it, and the server is to end: its threads end with the process.
        }

        Dispose();
    }

    public void Dispose()
    {
        metrics.Dispose();
        traces.Dispose();
    }

    // An empty variable is how shells and unit files say "not set".
    private static string? Set(BerthOptions options, string name) =>
        options.Environment.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
}
