using Berth.Engine;
using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Remote;

/// <summary>Runs as the commands see them: those of this home, or those of a server.</summary>
internal interface IRunService : IDisposable
{
    /// <summary>Checks a request and creates the run.</summary>
    /// <exception cref="FailureException">It is refused; nothing was created.</exception>
    Task<RunView> SubmitAsync(RunRequest request, CancellationToken cancel);

    /// <summary>Finds a run by its id, a prefix of it or its last characters.</summary>
    /// <exception cref="FailureException"><c>run_not_found</c>, <c>run_ambiguous</c>.</exception>
    Task<RunView> ResolveAsync(string fragment, CancellationToken cancel);

    /// <summary>Runs, newest first.</summary>
    Task<IReadOnlyList<RunView>> ListAsync(RunSelection selection, CancellationToken cancel);

    /// <summary>Reads what a run said, and follows it to its end where asked.</summary>
    IAsyncEnumerable<JournalEntry> ReadLogAsync(string id, long after, bool follow, CancellationToken cancel);

    /// <summary>Writes what the CLI printed, as it printed it.</summary>
    Task WriteRawLogAsync(string id, bool follow, Stream output, CancellationToken cancel);

    /// <summary>Waits until a run is final and cleaned up.</summary>
    Task<RunView> WaitAsync(string id, CancellationToken cancel);

    /// <summary>Asks for a stop.</summary>
    /// <returns>The run as it is then.</returns>
    Task<RunView> CancelAsync(string id, bool force, CancellationToken cancel);

    /// <summary>Sends a message to a run at work.</summary>
    /// <exception cref="FailureException">See <see cref="RunTalk.SendAsync"/>.</exception>
    Task<MessageReceipt> SendAsync(string id, RunMessage message, CancellationToken cancel);

    /// <summary>Ends a run's turn, and not the run.</summary>
    /// <exception cref="FailureException">See <see cref="RunTalk.InterruptAsync"/>.</exception>
    Task<InterruptReceipt> InterruptAsync(string id, CancellationToken cancel);

    /// <summary>Decides on a tool call that waits.</summary>
    /// <exception cref="FailureException">See <see cref="RunTalk.DecideAsync"/>.</exception>
    Task<ApprovalReceipt> DecideAsync(string id, ApprovalDecision decision, CancellationToken cancel);

    /// <summary>Brings a run's branch to its remote.</summary>
    /// <exception cref="FailureException">Why it is not there.</exception>
    Task<RunView> DeliverAsync(string id, bool allowSecrets, CancellationToken cancel);

    /// <summary>The budgets of this day.</summary>
    /// <exception cref="FailureException"><c>budgets_invalid</c>, <c>budgets_unreadable</c>.</exception>
    Task<BudgetReport> BudgetsAsync(CancellationToken cancel);

    /// <summary>Writes a run's changes; nothing where there are none.</summary>
    Task WriteDiffAsync(string id, DiffOrder order, Stream output, CancellationToken cancel);

    /// <summary>What there is of a run to be downloaded.</summary>
    Task<IReadOnlyList<Artefact>> ListArtefactsAsync(string id, CancellationToken cancel);

    /// <summary>Writes one of these.</summary>
    /// <exception cref="FailureException"><c>artifact_not_found</c>, <c>changes_gone</c>.</exception>
    Task WriteArtefactAsync(string id, string name, Stream output, CancellationToken cancel);

    /// <summary>Removes what ended runs still have, or says what that is.</summary>
    Task<CleanupReport> CleanUpAsync(CleanupSelection selection, bool dryRun, CancellationToken cancel);
}
