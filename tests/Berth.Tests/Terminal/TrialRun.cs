using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Engine.Network;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Tests.Terminal;

/// <summary>A run that never was, and entries of its journal.</summary>
internal static class TrialRun
{
    public static readonly DateTimeOffset Begin = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

    public static RunView View { get; } = new()
    {
        Id = "01jd3k7k3m9xq2vw5t8n4c6b0a",
        State = RunState.Succeeded,
        Workflow = "fix",
        Mode = "local",
        ModeReason = "asked for",
        SessionId = "5c6f2a1e-0000-4000-8000-000000000000",
        Result = "Done.",
        IsError = false,
        ExitCode = 0,
        Turns = 4,
        CostUsd = 0.024m,
        Tokens = new TokenCounts(4000, 400, 0, 0),
        PermissionDenials = [],
        Model = "claude-opus-5-5",
        CliVersion = "2.1.330",
        Repository = "/srv/greeter",
        BaseCommit = new string('a', 40),
        HeadCommit = new string('b', 40),
        Branch = "berth/fix/8n4c6b0a",
        Commits = [new WorkCommit(new string('b', 40), "fix: greet the world")],
        FilesChanged =
            [new ChangedFile("greet.sh", 1, 1, "modified"), new ChangedFile("logo.png", null, null, "added")],
        CreatedAt = Begin,
        StartedAt = Begin.AddSeconds(1),
        FinishedAt = Begin.AddSeconds(13),
        DurationMs = 12_900,
        PhasesMs = new PhaseTimes { Prepare = 38, Start = 120, Run = 12_000 },
        Cleanup = new CleanupView(CleanupState.Done, []),
        Sandbox = "bubblewrap",
        Trust = "instructions",
        Warnings = [],
        Gateway = new GatewayCounts(),
        Network = new NetworkView(NetworkMode.None, [], new NetworkCounts()),
    };

    /// <summary>An entry, so many seconds after the beginning.</summary>
    public static JournalEntry Entry(
        double seconds, string stream, string json, bool more = false, string? spill = null)
    {
        using var document = JsonDocument.Parse(json);
        return new JournalEntry
        {
            Seq = 1,
            At = Begin.AddSeconds(seconds),
            Stream = stream,
            Data = document.RootElement.Clone(),
            More = more,
            Spill = spill,
        };
    }
}
