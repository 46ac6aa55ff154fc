using System.Globalization;
using Berth.Protocol;

namespace Berth.Engine.Claude;

/// <summary>How the agent ended.</summary>
internal enum ClaudeEnd
{
    /// <summary>It did what it was asked to and said so.</summary>
    Completed,

    /// <summary>The limit of turns was reached.</summary>
    MaxTurns,

    /// <summary>The limit of money was reached.</summary>
    Budget,

    /// <summary>The model's service refused or failed, for good.</summary>
    ApiError,

    /// <summary>The model refused to answer.</summary>
    Refused,

    /// <summary>The prompt or the conversation is too long for the model.</summary>
    TooLong,

    /// <summary>Its turn was interrupted, and none followed.</summary>
    Interrupted,

    /// <summary>It gave up for another reason of its own.</summary>
    GaveUp,

    /// <summary>It could not be started, or ended before it began.</summary>
    NotStarted,

    /// <summary>It ended without a word, by an exit code or a signal.</summary>
    Crashed,

    /// <summary>The memory limit was reached.</summary>
    OutOfMemory,

    /// <summary>The limit of processes was reached.</summary>
    ProcessLimit,

    /// <summary>It was cancelled.</summary>
    Cancelled,

    /// <summary>The time limit was reached.</summary>
    TimedOut,

    /// <summary>It was silent for too long.</summary>
    IdleStopped,

    /// <summary>The supervisor was stopped and took it along.</summary>
    Stopped,
}

/// <summary>What became of the agent, judged by its transcript and its exit together.</summary>
/// <remarks>
/// Neither alone is enough: an API error exits 1 with <c>subtype: success</c>, SIGINT exits 0 without a result, and a
/// run whose every
/// tool was denied exits 0 as a success. So success needs exit 0 <em>and</em> a last result that is one.
/// </remarks>
internal sealed record ClaudeVerdict
{
    private const int MostTools = 20;

    /// <summary>Whether the agent did what it was asked to.</summary>
    public bool Succeeded => End == ClaudeEnd.Completed;

    /// <summary>How it ended.</summary>
    public required ClaudeEnd End { get; init; }

    /// <summary>Why it failed; null where it succeeded.</summary>
    public required Failure? Failure { get; init; }

    /// <summary>Its last words: the result's text.</summary>
    public required string? Result { get; init; }

    /// <summary>How many answers the model gave.</summary>
    public required int Turns { get; init; }

    /// <summary>What the CLI reckons it cost, in US dollars.</summary>
    public required decimal CostUsd { get; init; }

    /// <summary>The tokens used; a lower bound where the last result is missing.</summary>
    public required TokenCounts Tokens { get; init; }

    /// <summary>Tool calls that were not allowed. They fail no run, but people should see them.</summary>
    public required IReadOnlyList<PermissionDenial> PermissionDenials { get; init; }

    /// <summary>The model that answered last.</summary>
    public required string? Model { get; init; }

    /// <summary>The CLI's version.</summary>
    public required string? CliVersion { get; init; }

    /// <summary>The conversation's id.</summary>
    public required string? SessionId { get; init; }

    /// <summary>What people should know although it is no failure.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Judges.</summary>
    public static ClaudeVerdict Judge(ClaudeEvidence evidence, ExitRecord exit)
    {
        var (end, failure) = Decide(evidence, exit);
        return Of(evidence, end, failure, Warn(evidence, exit, end));
    }

    /// <summary>What the transcript of an agent proves whose end nobody saw.</summary>
    public static ClaudeVerdict Unknown(ClaudeEvidence evidence, Failure why) =>
        Of(evidence, ClaudeEnd.Stopped, why, evidence.Warnings);

    private static ClaudeVerdict Of(
        ClaudeEvidence evidence, ClaudeEnd end, Failure? failure, IEnumerable<string> warnings) => new()
    {
        End = end,
        Failure = failure,
        Result = evidence.Result?.Text,
        Turns = evidence.Turns,
        CostUsd = evidence.CostUsd,
        Tokens = evidence.ResultTokens.Plus(evidence.LaterTokens),
        PermissionDenials = [.. evidence.Denials],
        Model = evidence.Model,
        CliVersion = evidence.CliVersion,
        SessionId = evidence.SessionId,
        Warnings = [.. warnings],
    };

    private static (ClaudeEnd End, Failure? Failure) Decide(ClaudeEvidence evidence, ExitRecord exit)
    {
        // A result that nothing followed is the whole of the work, also where the end had to be brought about
        // afterwards.
        var isLast = !evidence.WentOn || exit.Cause == ExitCause.HungAfterResult;
        var isDone = isLast && evidence is { Result.IsSuccess: true };
        switch (exit.Cause)
        {
            case ExitCause.StartFailed:
                return (ClaudeEnd.NotStarted, exit.StartFailure ?? ExitFailures.NotStarted);
            case ExitCause.Cancelled:
                return (ClaudeEnd.Cancelled, ExitFailures.Cancelled);
            case ExitCause.ApprovalBypassed:
                return (ClaudeEnd.Stopped, ExitFailures.ApprovalBypassed);
            case not ExitCause.Exited when isDone:
                return Completed(evidence);
            case ExitCause.TimedOut:
                return (ClaudeEnd.TimedOut, ExitFailures.TimedOut(exit));
            case ExitCause.IdleStopped:
                return (ClaudeEnd.IdleStopped, ExitFailures.IdleStopped);
            case ExitCause.SupervisorStopped:
                return (ClaudeEnd.Stopped, ExitFailures.Stopped);
            case ExitCause.DiskFull:
                return (ClaudeEnd.Stopped, ExitFailures.DiskFull);
            case ExitCause.DiskLimit:
                return (ClaudeEnd.Stopped, ExitFailures.DiskLimit);
        }

        // The counters only say that a limit was hit by somebody in the run; a tool's death by it is no failure of the
        // agent.
        if (isDone && exit is { ExitCode: 0 })
        {
            return Completed(evidence);
        }

        return exit switch
        {
            { OutOfMemory: true } => (ClaudeEnd.OutOfMemory, ExitFailures.OutOfMemory(exit)),
            { ProcessLimit: true } => (ClaudeEnd.ProcessLimit, ExitFailures.ProcessLimit(exit)),
            _ when IsOrdinary(exit) && evidence.Result is { IsSuccess: false } it => ResultFailures.Of(it, evidence),
            _ => ExitFailures.Of(evidence, exit),
        };
    }

    private static (ClaudeEnd End, Failure? Failure) Completed(ClaudeEvidence evidence) =>
        ResultFailures.OfSuccess(evidence.Result!, evidence) is var (end, failure)
            ? (end, failure)
            : (ClaudeEnd.Completed, null);

    // The exit codes that the CLI itself gives beside a result. Any other says more than the result does.
    private static bool IsOrdinary(ExitRecord exit) =>
        exit.Cause == ExitCause.HungAfterResult || exit.ExitCode is 0 or 1;

    private static IEnumerable<string> Warn(ClaudeEvidence evidence, ExitRecord exit, ClaudeEnd end)
    {
        if (evidence.Denials.Count > 0)
        {
            var byTool = evidence.Denials.GroupBy(denial => denial.Tool, StringComparer.Ordinal)
                .Select(tool => string.Create(CultureInfo.InvariantCulture, $"{tool.Key} ({tool.Count()})"))
                .ToList();
            var more = byTool.Count > MostTools ? $" and of {byTool.Count - MostTools} more tools" : string.Empty;
            yield return $"Tool calls were denied: {string.Join(", ", byTool.Take(MostTools))}{more}.";
        }

        if (end == ClaudeEnd.Completed)
        {
            if (exit.Cause != ExitCause.Exited)
            {
                yield return "Claude did not end after its result and had to be stopped; the result counts.";
            }

            if (exit.OutOfMemory)
            {
                yield return "Something in the run reached the memory limit and was killed.";
            }

            if (exit.ProcessLimit)
            {
                yield return "Something in the run reached the limit of processes.";
            }

            foreach (var doubt in evidence.Result is { } result ? ResultFailures.Doubts(result) : [])
            {
                yield return doubt;
            }
        }

        foreach (var warning in evidence.Warnings)
        {
            yield return warning;
        }
    }
}
