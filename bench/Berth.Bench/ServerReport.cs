using System.Globalization;

namespace Berth.Bench;

/// <summary>The document about a server under load.</summary>
internal static class ServerReport
{
    /// <summary>Makes it.</summary>
    public static string Document(string loads, ReportTable table) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # A server under load

        How to make this page again: build (`./berth --version`, `dotnet build bench/Berth.Bench -c Release`), then
        `dotnet artifacts/bin/Berth.Bench/release/Berth.Bench.dll server artifacts/berth/berth docs/benchmarks/server.md`. It takes some four
        minutes, needs bubblewrap and git, and exits with 1 while a goal is missed. The whole page is written by it.

        One run of the bench on a machine with {Environment.ProcessorCount} cores, the clients and the runs on the same ones. The server is the program as it is
        published, on SQLite. Its table has 10,000 runs of a month, of 20 repositories, 5 workflows and 4 teams. The runs are local ones in the sandbox,
        of a fake CLI (`tests/Berth.FakeClaude`), which is a .NET program that takes longer to start than all that Berth does. 200 requests of each
        kind, one after the other. Load average: {loads}.

        {table.MarkdownWithRatios()}
        *Submit, nothing else at work* is 60 submissions, each after the end of the run before. *While 16 runs work* is 100, one every 50 ms, beside agents that
        behave as real ones, which mostly wait for their model. *As fast as the machine can* is 200, one every 50 ms, beside 16 places in which runs start and
        end all the time: more than the processors can do, so a submission waits for its turn at the processors and the disk among all the others. Processor time of the server is that of its own process, which hosts all runs; the agents and their supervisors are
        not in it.

        """);
}
