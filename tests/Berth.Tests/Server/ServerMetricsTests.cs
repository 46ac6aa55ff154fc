using System.Diagnostics.Metrics;
using Berth.Engine;
using Berth.Server.Telemetry;
using Berth.Tests.Commands;
using Berth.Tests.Tidy;
using Xunit;

namespace Berth.Tests.Server;

public sealed class ServerMetricsTests
{
    [Fact]
    public void Each_instrument_is_in_the_document_with_its_unit_and_no_other()
    {
        using var trial = new TrialSurroundings();
        var found = new List<(string Name, string? Unit)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name is ServerMetrics.MeterName)
                {
                    found.Add((instrument.Name, instrument.Unit));
                }
            },
        };
        listener.Start();

        using var metrics = new ServerMetrics(
            BerthEngine.Open(Settings.Bind(trial.Given), TimeProvider.System), TimeProvider.System);

        var section = SourceTree.Read("docs/MONITORING.md").Split("### Metrics")[1].Split("\n#")[0];
        var rows = section.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line.Split('|')).Select(cells => (cells[1].Trim().Trim('`'), cells[3].Trim().Trim('`')));
        Assert.Equal(
            found.Select(each => (each.Name, each.Unit ?? string.Empty)).Order(), rows.Order());
    }
}
