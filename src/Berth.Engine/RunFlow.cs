using System.Runtime.InteropServices;
using System.Text.Json;
using Berth.Engine.Access;
using Berth.Engine.Claude;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>How far one run has come: saves each step, says it in the journal, and takes its time.</summary>
internal sealed partial class RunFlow
{
    private readonly RunStore runs;
    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private RunState state;
    private long phaseStarted;

    /// <summary>Begins, or goes on.</summary>
    /// <param name="run">The run.</param>
    /// <param name="runs">Where its steps are saved.</param>
    /// <param name="directories">Where its journal is.</param>
    /// <param name="credentials">The model's credentials of this host. What else must not be shown is read from the
    /// run's own file.</param>
    /// <param name="time">The clock.</param>
    public RunFlow(
        RunRecord run,
        RunStore runs,
        RunDirectories directories,
        IEnumerable<string> credentials,
        TimeProvider time)
    {
        Redactor = new Redactor(credentials.Concat(directories.SecretsOf(run.Id) ?? []));
        this.runs = runs;
        this.time = time;
        Id = run.Id;
        Plan = run.Plan;
        Progress = run.Progress;
        Directory = directories.Of(run.Id);
        state = run.State;
        if (state != RunState.Queued && !state.IsFinal())
        {
            Save(progress => progress with { Adoptions = progress.Adoptions + 1 });
        }
    }

    public string Id { get; }

    /// <summary>Where decisions on tool calls are noted that no person has made.</summary>
    public AuditStore? Audit { get; init; }

    /// <summary>Knows what must not be shown of the run.</summary>
    public Redactor Redactor { get; }

    /// <summary>Whether its secrets are still to be looked for, in a push that did not succeed yet.</summary>
    public bool MayPushLater =>
        Plan.PushRemote is not null && Progress is { DeliveredBranch: not null, Push: not { State: PushState.Pushed } };

    /// <summary>What it means that the gateway stopped it, where a budget was spent; else null.</summary>
    public Failure? BudgetFailure => Progress.BudgetStop?.ToFailure(Id);

    public RunPlan Plan { get; }

    public RunDirectory Directory { get; }

    public RunProgress Progress { get; private set; }

    /// <summary>The message for what the agent leaves uncommitted.</summary>
    public string CommitMessage => $"{Plan.Workflow}: {Plan.Title}\n\nBerth-Run: {Id}\n";

    /// <summary>Whether the workspace stays: asked for, or because it is the only place where the work is.</summary>
    public bool KeepsWorkspace => Plan.Keep || Progress.IsUndelivered;

    /// <summary>Whether the run's own repository may go: it had no work, or the user's repository has it now.</summary>
    public bool RepositoryIsSpent => !KeepsWorkspace && Progress switch
    {
        { Collected: true, Refs: null } => false,
        { Refs: { Count: > 0 }, Workspace.Run.Source.Kind: RepositoryKind.Url } => false,
        { Work: null } => true,
        { Push: not { State: PushState.Pushed } } when Plan.PushRemote is not null => false,
        { DeliveredBranch: not null, Workspace.Run.Source.Kind: RepositoryKind.Path } => true,
        _ => false,
    };

    /// <summary>What the first events say of the run.</summary>
    public Dictionary<string, string> Facts => new(StringComparer.Ordinal)
    {
        ["runId"] = Id,
        ["workflow"] = Plan.Workflow,
        ["mode"] = Plan.Mode,
        ["modeReason"] = Plan.ModeReason,
        ["sandbox"] = Plan.Sandbox.ToString().ToLowerInvariant(),
        ["network"] = Plan.Network.ToString(),
        ["modelTools"] = string.Join(", ", Plan.ModelTools),
        ["mounts"] = string.Join(", ", Plan.Mounts),
        ["trust"] = Plan.Trust.ToString().ToLowerInvariant(),
        ["repository"] = Plan.Repository,
        ["directory"] = Plan.Directory.Length == 0 ? "." : Plan.Directory,
        ["title"] = Plan.Title,
    };

    /// <summary>Waits until fewer runs than allowed are at work, and takes a place among them.</summary>
    public async Task WaitForPlaceAsync(int maxConcurrent, CancellationToken cancel)
    {
        if (state != RunState.Queued)
        {
            return;
        }

        // A host that died while it waited has said this, or a part of it, and nothing else.
        var opening = Opening();
        var said = CountSaid();
        foreach (var (type, values) in opening.Skip(said))
        {
            Write(type, values);
        }

        if (!runs.Claim(Id, maxConcurrent))
        {
            if (said <= opening.Count)
            {
                Write(BerthEvents.Phase, new(StringComparer.Ordinal) { ["phase"] = "queued" });
            }

            await new PlaceSignal(Directory, time).WaitAsync(
                () => runs.Claim(Id, maxConcurrent), () => ThrowIfTaken(runs.IsOurs(Id)), cancel);
        }

        state = RunState.Preparing;
    }

    private List<(string Type, Dictionary<string, string> Values)> Opening() =>
    [
        (BerthEvents.RunAccepted, Facts),
        .. from notice in Plan.Notices
           select (BerthEvents.Notice, new Dictionary<string, string>(StringComparer.Ordinal) { ["message"] = notice }),
    ];

    private int CountSaid() => File.Exists(Directory.JournalFile)
        ? File.ReadAllBytes(Directory.JournalFile).AsSpan().Count((byte)'\n')
        : 0;

    /// <summary>Saves a step that was taken.</summary>
    public void Save(Func<RunProgress, RunProgress> step)
    {
        lock (gate)
        {
            Progress = step(Progress);
            ThrowIfTaken(runs.SaveProgress(Id, Progress));
        }
    }

    /// <summary>Saves that the executor is about to be asked: from here on the run is this home's for good.</summary>
    public void Launch()
    {
        lock (gate)
        {
            Progress = Progress with { StartIntended = true };
            ThrowIfTaken(runs.Launch(Id, Progress));
        }
    }

    // A home that was away too long: another one has the run, and what this one still does to it counts for nothing.
    private void ThrowIfTaken(bool isOurs)
    {
        if (!isOurs)
        {
            throw new RunTakenException(Id);
        }
    }

    /// <summary>A phase begins.</summary>
    public void Begin(RunPhase phase)
    {
        phaseStarted = time.GetTimestamp();
        Remember(phase, time.GetUtcNow());
        if (phase is not (RunPhase.Capture or RunPhase.Cleanup))
        {
            // Capture was begun, and said so, by the supervisor; after the run's last event nothing is written.
            Write(BerthEvents.Phase, new(StringComparer.Ordinal) { ["phase"] = phase.ToString().ToLowerInvariant() });
        }
    }

    // Saved with the step that follows, and so also known to whoever takes the run over.
    private void Remember(RunPhase phase, DateTimeOffset now)
    {
        lock (gate)
        {
            var begun = Progress.Begun;
            Progress = Progress with
            {
                Begun = phase switch
                {
                    RunPhase.Prepare => begun with { Prepare = now },
                    RunPhase.Start => begun with { Start = now },
                    RunPhase.Deliver => begun with { Deliver = now },
                    RunPhase.Push => begun with { Push = now },
                    RunPhase.Cleanup => begun with { Cleanup = now },
                    _ => begun,
                },
            };
        }
    }

    /// <summary>The phase has ended, and this is what it came to.</summary>
    public void End(RunPhase phase, Func<RunProgress, RunProgress> step)
    {
        var took = (long)time.GetElapsedTime(phaseStarted).TotalMilliseconds;
        Save(progress => step(progress with
        {
            Phases = phase switch
            {
                RunPhase.Prepare => progress.Phases with { Prepare = took },
                RunPhase.Capture => progress.Phases with { Capture = (progress.Phases.Capture ?? 0) + took },
                RunPhase.Deliver => progress.Phases with { Deliver = took },
                RunPhase.Push => progress.Phases with { Push = took },
                RunPhase.Cleanup => progress.Phases with { Cleanup = took },
                _ => progress.Phases,
            },
        }));
    }

    /// <summary>Takes what the execution says into account.</summary>
    public void Read(JournalEntry entry, ClaudeEvidence evidence)
    {
        if (string.Equals(entry.Stream, JournalEntry.Stdout, StringComparison.Ordinal))
        {
            evidence.Add(entry.Data);
        }
        else if (string.Equals(entry.Stream, JournalEntry.Stderr, StringComparison.Ordinal))
        {
            evidence.AddStderr(entry.Data.ToString());
        }
        else if (WaitingCalls.After(Progress.Approvals, entry) is { } approvals)
        {
            NoteDecision(entry.Data);
            Wait(approvals);
        }
        else if (Progress.Begun is { Start: { } began, Run: null } && IsEvent(entry, BerthEvents.AgentStarted))
        {
            var took = (long)(entry.At - began).TotalMilliseconds;
            Save(progress => progress with
            {
                Phases = progress.Phases with { Start = took },
                Begun = progress.Begun with { Run = entry.At },
            });
        }
    }

    // What people decide is noted with where they asked from, by whom they asked.
    private void NoteDecision(JsonElement data)
    {
        if (data.Text("cause") is { } cause and not "person")
        {
            Audit?.Add(new Caller($"berth ({cause})", Role.Admin), "run.deny", Id, string.Empty);
        }
    }

    // The list comes last: a host that dies before it is saved leaves the entry to the next one, which does both again.
    private void Wait(WaitingCalls approvals)
    {
        _ = approvals.Calls.Count > 0
            ? runs.Move(Id, RunState.Running, RunState.Waiting)
            : runs.Move(Id, RunState.Waiting, RunState.Running);
        Save(progress => progress with { Approvals = approvals });
    }

    /// <summary>Records the outcome, once. What it says went through here too.</summary>
    public void Finish(RunOutcome outcome)
    {
        runs.Finish(Id, outcome with
        {
            // The gateway saw each answer; where nothing went through it the transcript is all that there is.
            Turns = Progress.Gateway.Requests > 0 ? (int)Progress.Gateway.Turns : outcome.Turns,
            Error = outcome.Error is { } error
                ? error with { Message = Redact(error.Message), Hint = Redact(error.Hint) }
                : null,
            Warnings = [.. outcome.Warnings.Select(Redact)],
        });
        new PlaceSignal(Directory, time).Tell();
    }

    /// <summary>A text without the secrets that this host knows.</summary>
    public string Redact(string text) => Redactor.Redact(text);

    /// <summary>Writes an event of the host's. Only while no supervisor writes.</summary>
    public void Write(string type, Dictionary<string, string> values)
    {
        using var journal = JournalWriter.Open(Directory.JournalFile, time, Redactor);
        journal.AppendEvent(type, writer =>
        {
            foreach (var (name, value) in values)
            {
                writer.WriteString(name, value);
            }
        });
        if (journal.IsWaiting)
        {
            // Begun again when there is room: RoomToFinish.
            throw new IOException($"{Directory.JournalFile}: no room for {type}.", Descriptor.NoSpace);
        }

        if (type is BerthEvents.RunFinished)
        {
            journal.GiveBackRoom();
        }
    }

    /// <summary>Says something that people should know. Only while no supervisor writes.</summary>
    public void Note(string message) => Write(
        BerthEvents.Notice, new Dictionary<string, string>(StringComparer.Ordinal) { ["message"] = message });

    /// <summary>Says what a push came to.</summary>
    public void Say(PushRecord push)
    {
        if (push.State == PushState.Pushed)
        {
            Say(BerthEvents.Pushed, ("branch", push.Branch), ("commit", push.Commit!));
        }

        if (push.PullRequest is { } request)
        {
            Say(BerthEvents.PullRequestOpened, ("url", request.Url));
            push.Notices().ToList().ForEach(Note);
        }

        if (push.Error is { } error)
        {
            Say(BerthEvents.PushFailed, ("code", error.Code), ("message", error.Message));
        }

        void Say(string type, params (string Name, string Value)[] values) => Write(
            type,
            values.Append(("remote", push.Remote)).ToDictionary(
                value => value.Item1, value => value.Item2, StringComparer.Ordinal));
    }

    /// <summary>Writes events that the supervisor did not live to write. Only while no supervisor writes.</summary>
    public void Write(IEnumerable<JsonElement> events)
    {
        using var journal = JournalWriter.Open(Directory.JournalFile, time, Redactor);
        foreach (var data in events)
        {
            _ = journal.AppendLine(JournalEntry.Berth, JsonMarshal.GetRawUtf8Value(data), keep: true);
        }
    }

    /// <summary>Says in the journal that the run is final, unless it is said there already.</summary>
    public void SayFinished(RunState final)
    {
        if (!EndsWithFinished())
        {
            Write(
                BerthEvents.RunFinished,
                new(
                    StringComparer.Ordinal)
                    {
                        ["state"] = JsonNamingPolicy.SnakeCaseLower.ConvertName(final.ToString())
                    });
        }
    }

    // Only the last lines are looked at: nothing is written after this event but by a host that died before it could
    // know.
    private bool EndsWithFinished()
    {
        const int TailBytes = 4096;
        using var journal = File.OpenRead(Directory.JournalFile);
        journal.Seek(-Math.Min(TailBytes, journal.Length), SeekOrigin.End);
        using var tail = new StreamReader(journal);
        return tail.ReadToEnd().Contains($"\"type\":\"{BerthEvents.RunFinished}\"", StringComparison.Ordinal);
    }

    /// <summary>Records what clean-up came to.</summary>
    public void EndCleanUp(IReadOnlyList<string> leaked)
    {
        End(RunPhase.Cleanup, progress => progress with { Leaked = leaked });
        runs.SetCleanup(Id, leaked.Count == 0 ? CleanupState.Done : CleanupState.Leaked);
    }

    /// <summary>Whether an entry is an event of Berth's of a type.</summary>
    private static bool IsEvent(JournalEntry entry, string type) =>
        string.Equals(entry.Stream, JournalEntry.Berth, StringComparison.Ordinal)
        && entry.Data.ValueKind == JsonValueKind.Object
        && entry.Data.TryGetProperty("type", out var found)
        && found.ValueEquals(type);
}
