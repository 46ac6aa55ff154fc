using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Berth.Server.Telemetry;

/// <summary>The library that sends over OTLP: the only file that names it. It reads its standard variables
/// itself.</summary>
/// <remarks>
/// It works on threads of its own with a queue of 2048 spans, and drops what nobody takes: a dead receiver holds up
/// nothing.
/// </remarks>
internal sealed class OtlpExport
{
    private const int UsualInterval = 60_000;
    private readonly TracerProvider traces;
    private readonly MeterProvider metrics;

    public OtlpExport(string version, ExportHealth health)
    {
        // What the variables of the environment say comes last, and so counts.
        var resource = ResourceBuilder.CreateEmpty().AddService("berth", serviceVersion: version)
            .AddTelemetrySdk().AddEnvironmentVariableDetector();
        traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .AddSource(RunTrace.SourceName)
            .AddProcessor(new BatchActivityExportProcessor(new Traces(new OtlpExporterOptions(), health)))
            .Build();
        var interval = new PeriodicExportingMetricReaderOptions().ExportIntervalMilliseconds ?? UsualInterval;
        metrics = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter(ServerMetrics.MeterName)
            .AddReader(new PeriodicExportingMetricReader(new Measurements(new OtlpExporterOptions(), health), interval))
            .Build();
    }

    /// <summary>Sends what is left, as far as that is quick.</summary>
    /// <param name="milliseconds">How long that may take.</param>
    public Task EndAsync(int milliseconds) =>
        Task.WhenAll(
            OnThread(() =>
            {
                traces.Shutdown(milliseconds);
                traces.Dispose();
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
