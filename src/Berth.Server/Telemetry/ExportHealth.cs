using Microsoft.Extensions.Logging;
using OpenTelemetry;

namespace Berth.Server.Telemetry;

/// <summary>Says in the log that nobody takes the telemetry, and that somebody does again; at most once an
/// hour.</summary>
internal sealed partial class ExportHealth(TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Silence = TimeSpan.FromHours(1);
    private readonly Lock gate = new();
    private bool isBad;
    private bool isEnding;
    private long? said;

    /// <summary>From now on nothing is said: what the end cuts off is nobody's failure.</summary>
    public void End()
    {
        lock (gate)
        {
            isEnding = true;
        }
    }

    /// <summary>Takes how a try went, and gives it back.</summary>
    public ExportResult Heard(ExportResult result)
    {
        lock (gate)
        {
            var failed = result != ExportResult.Success;
            if (isEnding)
            {
                return result;
            }

            if (failed && (said is null || time.GetElapsedTime(said.Value) > Silence))
            {
                said = time.GetTimestamp();
                isBad = true;
                LogFailed();
            }
            else if (!failed && isBad)
            {
                isBad = false;
                LogBack();
            }
        }

        return result;
    }

    [LoggerMessage(30, LogLevel.Warning,
        "nobody took the telemetry at OTEL_EXPORTER_OTLP_ENDPOINT; what was not taken is dropped")]
    private partial void LogFailed();

    [LoggerMessage(31, LogLevel.Information, "the telemetry is taken again")]
    private partial void LogBack();
}
