using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Berth.Server.Telemetry;

/// <summary>The library that sends over OTLP and writes for Prometheus: the only file that names it. It reads its
/// standard variables itself.</summary>
/// <remarks>
/// It works on threads of its own with a queue of 2048 spans, and drops what nobody takes: a dead receiver holds up
/// nothing.
/// </remarks>
internal sealed class TelemetryExport
{
    private const int UsualInterval = 60_000;

    // ASP.NET Core's own: http.server.request.duration and http.server.active_requests, and those of connections.
    private static readonly string[] HttpMeters =
        ["Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel"];

    private readonly TracerProvider? traces;
    private readonly MeterProvider metrics;

    /// <summary>Begins.</summary>
    /// <param name="version">The program's version.</param>
    /// <param name="health">Takes how sending goes; null where nothing is sent.</param>
    /// <param name="isRead">Whether the metrics are read by <see cref="Map"/>.</param>
    public TelemetryExport(string version, ExportHealth? health, bool isRead)
    {
        // What the variables of the environment say comes last, and so counts.
        var resource = ResourceBuilder.CreateEmpty().AddService("berth", serviceVersion: version)
            .AddTelemetrySdk().AddEnvironmentVariableDetector();
        traces = health is null ? null : Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .AddSource(RunTrace.SourceName)
            .AddProcessor(new BatchActivityExportProcessor(new Traces(new OtlpExporterOptions(), health)))
            .Build();
        var builder = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter([ServerMetrics.MeterName, .. HttpMeters]);
        if (health is not null)
        {
            var interval = new PeriodicExportingMetricReaderOptions().ExportIntervalMilliseconds ?? UsualInterval;
            builder.AddReader(
                new PeriodicExportingMetricReader(new Measurements(new OtlpExporterOptions(), health), interval));
        }

        metrics = (isRead ? builder.AddPrometheusExporter() : builder).Build();
    }

    /// <summary>Adds an address where Prometheus reads.</summary>
    public IEndpointConventionBuilder Map(IEndpointRouteBuilder routes, string path) =>
        routes.MapPrometheusScrapingEndpoint(path, metrics, configureBranchedPipeline: null, optionsName: null);

    /// <summary>Sends what is left, as far as that is quick.</summary>
    /// <param name="milliseconds">How long that may take.</param>
    public Task EndAsync(int milliseconds) =>
        Task.WhenAll(
            OnThread(() =>
            {
                traces?.Shutdown(milliseconds);
                traces?.Dispose();
            }),
            OnThread(() =>
            {
                metrics.Shutdown(milliseconds);
                metrics.Dispose();
            }));

    // These block; on threads of the pool they would keep the answers that they wait for from being read.
    private static Task OnThread(Action action) => Task.Factory.StartNew(
        action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private sealed class Traces(OtlpExporterOptions options, ExportHealth health) : OtlpTraceExporter(options)
    {
        public override ExportResult Export(in Batch<Activity> batch) => health.Heard(base.Export(batch));
    }

    private sealed class Measurements(OtlpExporterOptions options, ExportHealth health) : OtlpMetricExporter(options)
    {
        public override ExportResult Export(in Batch<Metric> batch) => health.Heard(base.Export(batch));
    }
}
