using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>The flow of one execution, from spec.json to exit.json.</summary>
/// <remarks>
/// (1) Read the spec, and the secrets, which are unlinked. (2) Say how we are found. (3) Begin the journal and
/// listen. (4) Start the agent. (5) Watch it to its end. (6) Drain its pipes and kill what it left. (7) Capture. (8)
/// Write how it ended, once.
/// </remarks>
internal sealed class SupervisedRun : IDisposable
{
    private readonly RunDirectory directory;
    private readonly SupervisorSpec spec;
    private readonly TimeProvider time;
    private readonly DateTimeOffset startedAt;
    private readonly Redactor redactor;
    private readonly RunJournal journal;
    private readonly RunWatch watch;
    private readonly AgentTalk talk;
    private readonly ApprovalDesk? desk;
    private readonly CgroupMembership cgroups;
    private readonly RunProcesses processes;
    private readonly FolderUse use;
    private readonly DiskWatch disk;
    private readonly AutoResetEvent wake = new(false);
    private readonly FirstErrorLine firstError = new();
    private AgentInput? input;

    private SupervisedRun(RunDirectory directory, SupervisorSpec spec, Redactor redactor, JournalWriter writer,
        TimeProvider time)
    {
        this.directory = directory;
        this.spec = spec;
        this.redactor = redactor;
        this.time = time;
        startedAt = time.GetUtcNow();
        journal = new RunJournal(writer, directory, spec.Limits);
        watch = new RunWatch(spec.Limits, spec.Stop, time);
        talk = new AgentTalk(journal);
        desk = spec.Limits.ApprovalTimeout is { } limit ? new ApprovalDesk(journal, limit, time) : null;
        cgroups = new CgroupMembership(spec.Limits.Cgroups, spec.Limits.CountedCgroups ?? []);
        processes = new RunProcesses(cgroups, spec.User, time);
        use = new FolderUse(directory, time);
        disk = new DiskWatch(directory, spec.Limits, use, journal.Notice);
    }

    /// <summary>Runs it all.</summary>
    /// <returns>The supervisor's own exit code: 0 when exit.json was written, whatever became of the agent.</returns>
    internal static int Execute(RunDirectory directory, TimeProvider time)
    {
        var read = RunFiles.ReadSpec(directory);

        // The journal's lock first: a second supervisor must not take the secrets away from the first, nor start the
        // agent again.
        using var writer = JournalWriter.Open(directory.JournalFile, time, checksum: true);
        RunFiles.RefuseSecondStart(directory);
        var secrets = RunFiles.TakeSecrets(directory);
        var redacting = new Redactor(secrets.Redact);
        writer.RedactWith(redacting);
        using var run = new SupervisedRun(directory, read, redacting, writer, time);
        return run.Run(secrets);
    }

    public void Dispose()
    {
        journal.Dispose();
        wake.Dispose();
    }

    private int Run(RunSecrets secrets)
    {
        ProcessTree.BecomeSubreaper();
        RunFiles.WriteHandle(directory, spec, startedAt);
        using var exitFile = new ExitFile(directory, journal, time, () => watch.IsForced);
        using var control = new ControlServer(directory, Answer);
        using var terminate = OnSignal(PosixSignal.SIGTERM);
        using var interrupt = OnSignal(PosixSignal.SIGINT);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static context => context.Cancel = true);
        journal.Event(BerthEvents.RunStarted, WriteFacts);

        var record = new ExitRecord
        {
            RunId = spec.RunId, Cause = ExitCause.StartFailed, StartedAt = startedAt, EndedAt = startedAt,
        };
        try
        {
            // What watches the agent has its threads before there is an agent.
            var listener = new AgentListener(talk, desk, watch, wake);
            var output = new LineSink(JournalEntry.Stdout, journal, redactor, spec.Limits, listener);
            var errors = new LineSink(JournalEntry.Stderr, journal, redactor, spec.Limits);
            var pump = new OutputPump(output, errors, watch, firstError);
            var lines = new AgentInput(directory.InputFile);
            using var relay = spec.Proxy is { } step ? new ProxyRelay(directory, step, time) : null;
            using var agent = StartAgent(secrets);
            record = Supervise(agent, lines, pump, record with { AgentStartedAt = time.GetUtcNow() });
        }
        catch (Exception failure) when (failure is Win32Exception or ArgumentException or FailureException)
        {
            var why = (failure as FailureException)?.Failure ?? StartFailures.Of(spec.Agent, failure);
            record = record with { StartFailure = why };
        }

        var (memory, limit) = cgroups.LimitsMet();
        if (disk.IsGone)
        {
            // Nobody will ask how it ended, and there is nothing left to capture.
            return 1;
        }

        record = Capture(record with { OutOfMemory = memory, ProcessLimit = limit });
        return exitFile.Write(record) ? 0 : 1;
    }

    private void WriteFacts(Utf8JsonWriter data)
    {
        data.WriteString("runId"u8, spec.RunId);
        data.WriteStartObject("facts"u8);
        foreach (var (name, value) in spec.Facts)
        {
            data.WriteString(name, value);
        }

        data.WriteEndObject();
    }

    private PosixSignalRegistration OnSignal(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        watch.RequestStop(ExitCause.SupervisorStopped, now: false);
        wake.Set();
    });

    private ChildProcess StartAgent(RunSecrets secrets)
    {
        var environment = new Dictionary<string, string>(spec.Agent.Environment, StringComparer.Ordinal);
        foreach (var (name, value) in secrets.Environment)
        {
            environment[name] = value;
        }

        var start = new ChildProcessStart
        {
            FileName = spec.Agent.Argv[0],
            Arguments = [.. spec.Agent.Argv.Skip(1)],
            Environment = environment,
            WorkingDirectory = spec.Agent.WorkingDirectory,
            Input = ChildStdio.Pipe,
            Output = ChildStdio.Pipe,
            Error = ChildStdio.Pipe,
        };
        return processes.Start(start);
    }

    private ExitRecord Supervise(ChildProcess agent, AgentInput lines, OutputPump pump, ExitRecord record)
    {
        var began = time.GetTimestamp();
        watch.Begin();
        journal.Phase("run");
        journal.Event(BerthEvents.AgentStarted, data => data.WriteNumber("pid"u8, agent.Id));
        input = lines;
        input.Begin(agent.Input!);
        talk.Begin(input);
        desk?.Begin(input);
        pump.Begin(agent);
        journal.Writer.Flush();
        if (spec.Limits.DiskBytes is not null)
        {
            use.Begin();
        }

        var leaked = WatchToTheEnd(agent);
        var exit = agent.Exit.IsCompleted ? agent.Exit.Result : new ChildExit(null, RunProcesses.Kill);
        record = record with { AgentMs = (long)time.GetElapsedTime(began).TotalMilliseconds,
            Cause = watch.Cause ?? ExitCause.Exited };

        _ = pump.WaitForEnd(watch.IsForced ? TimeSpan.Zero : spec.Limits.DrainGrace);
        var (leftovers, stillThere) = processes.KillAll(spec.Stop.KillGrace, spec.Agent.Wrappers);
        pump.Finish();
        input.Close();
        desk?.Close();
        record = WithExit(record, exit, pump) with
        {
            LeftoversKilled = leftovers, Leaked = stillThere.Count > 0 ? stillThere : leaked,
                OutputBytes = pump.Counts.Both,
        };
        WriteEnd(record);
        return record;
    }

    /// <returns>What even the kill did not end.</returns>
    private IReadOnlyList<ProcessIdentity> WatchToTheEnd(ChildProcess agent)
    {
        WaitHandle[] handles = [wake, ((IAsyncResult)agent.Exit).AsyncWaitHandle];
        while (!agent.Exit.IsCompleted)
        {
            if (!watch.IsTakenDown && disk.Look() is { } stop)
            {
                journal.Notice(stop.Message);
                watch.TakeDown(stop.Cause);
            }

            var action = watch.Next(input!.IsReady, out var wait);
            wait = wait < disk.Pause ? wait : disk.Pause;
            if (action == WatchAction.Kill)
            {
                WriteStopping(action);
                var left = processes.KillAll(spec.Stop.KillGrace).Left;
                _ = agent.Exit.Wait(spec.Stop.KillGrace);
                return left;
            }

            if (action != WatchAction.None)
            {
                Act(action, agent);
                continue;
            }

            _ = WaitHandle.WaitAny(handles, wait);
            if (desk?.Expire() == true)
            {
                watch.WaitsForPeople();
            }

            processes.Reap();
            journal.Writer.Retry();
            journal.Writer.Flush();
        }

        return [];
    }

    private void Act(WatchAction action, ChildProcess agent)
    {
        if (action == WatchAction.ReportIdle)
        {
            var seconds = spec.Limits.IdleReport.TotalSeconds;
            journal.Event(BerthEvents.Idle, data => data.WriteNumber("seconds"u8, Math.Round(seconds, 1)));
            return;
        }

        if (action == WatchAction.EndTalk)
        {
            talk.End();
            return;
        }

        WriteStopping(action);
        switch (action)
        {
            case WatchAction.Interrupt:
                _ = input!.Send(AgentInterrupt.Line("berth-stop"));
                input.Close();
                break;
            case WatchAction.TermAgent:
                input!.Close();
                RunProcesses.SignalAgent(agent, spec.Agent.Wrappers, RunProcesses.Terminate);
                break;
            default:
                RunProcesses.SignalAll(agent, spec.Agent.Wrappers, RunProcesses.Terminate);
                break;
        }
    }

    private void WriteStopping(WatchAction action)
    {
        var stage = action switch
        {
            WatchAction.Interrupt => "interrupt",
            WatchAction.TermAgent => "term",
            WatchAction.TermAll => "term_all",
            _ => "kill",
        };
        var cause = JsonSerializer.SerializeToElement(watch.Cause ?? ExitCause.Cancelled,
            ProtocolJson.Default.ExitCause);
        journal.Event(BerthEvents.Stopping, data =>
        {
            data.WriteString("stage"u8, stage);
            data.WritePropertyName("cause"u8);
            cause.WriteTo(data);
        });
    }

    private ExitRecord WithExit(ExitRecord record, ChildExit exit, OutputPump pump)
    {
        var wrapped = spec.Agent.Wrappers > 0;
        if (wrapped && exit.Code == 1 && pump.Counts.Output == 0
            && StartFailures.OfSandbox(redactor.Redact(firstError.Text)) is { } why)
        {
            return record with { Cause = ExitCause.StartFailed, StartFailure = why };
        }

        var signal = wrapped ? WrapperSignals.From(exit.Code) : null;
        return record with { ExitCode = signal is null ? exit.Code : null, Signal = signal ?? exit.Signal };
    }

    private void WriteEnd(ExitRecord record)
    {
        journal.Event(BerthEvents.AgentEnded, data =>
        {
            WriteNumber(data, "exitCode", record.ExitCode);
            WriteNumber(data, "signal", record.Signal);
        });
        if (record.LeftoversKilled > 0)
        {
            journal.Event(BerthEvents.LeftoversKilled, data => data.WriteNumber("count"u8, record.LeftoversKilled));
        }

        journal.Writer.Flush();

        static void WriteNumber(Utf8JsonWriter data, string name, int? value)
        {
            if (value is { } number)
            {
                data.WriteNumber(name, number);
            }
        }
    }

    private ExitRecord Capture(ExitRecord record)
    {
        if (spec.Capture is null)
        {
            return record;
        }

        if (record.Cause == ExitCause.StartFailed)
        {
            return record with { Capture = new CaptureRecord(CaptureState.Unchanged) };
        }

        journal.Phase("capture");
        var began = time.GetTimestamp();
        var stopAsked = watch.IsForced;
        var bounds = new CaptureBounds(startedAt, () => !stopAsked && watch.IsForced);
        var room = new CaptureRoom(directory, spec.Limits, journal, time, () => watch.IsForced);
        var result = room.Run(() => new WorkCapture(
            spec.Capture, directory, processes, time, redactor, bounds with { IsFull = room.IsFull })
            .Run(journal.Notice));
        journal.Event(BerthEvents.Captured, data =>
        {
            data.WritePropertyName("capture"u8);
            JsonSerializer.Serialize(data, result, ProtocolJson.Default.CaptureRecord);
        });
        return record with { Capture = result, CaptureMs = (long)time.GetElapsedTime(began).TotalMilliseconds };
    }

    private ControlReply Answer(ControlRequest request)
    {
        switch (request.Verb)
        {
            case ControlVerb.Cancel:
                watch.RequestStop(ExitCause.Cancelled, request.Force);
                wake.Set();
                return new ControlReply(true);
            case ControlVerb.Note:
                return TakeNote(request.Data);
            case ControlVerb.Message:
                return talk.Send(request.Data, request.By);
            case ControlVerb.Interrupt:
                return talk.Interrupt(request.By);
            case ControlVerb.Decide:
                return desk?.Decide(request.Answer, request.By)
                    ?? ApprovalDesk.NoSuchCall(request.Answer?.Call ?? 0);
            default:
                return new ControlReply(true);
        }
    }

    private ControlReply TakeNote(JsonElement? data)
    {
        if (data is not { ValueKind: JsonValueKind.Object } note || !note.TryGetProperty("type"u8, out _))
        {
            return new ControlReply(false, "A note is an object with a type.");
        }

        var taken = journal.Writer.AppendLine(JournalEntry.Berth, JsonMarshal.GetRawUtf8Value(note), keep: true);
        return new ControlReply(taken, taken ? null : "The journal is closed, or the disk is full.");
    }
}
