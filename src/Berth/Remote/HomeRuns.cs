using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Remote;

/// <summary>The runs of a home on this machine.</summary>
internal sealed class HomeRuns(BerthEngine engine) : IRunService
{
    // Who may write the home may do all.
    private static Caller Me { get; } = new($"{Environment.UserName} (local)", Role.Admin);

    public Task<RunView> SubmitAsync(RunRequest request, CancellationToken cancel) =>
        engine.SubmitAsync(request, cancel);

    public Task<RunView> ResolveAsync(string fragment, CancellationToken cancel) =>
        Task.FromResult(engine.Resolve(fragment));

    public Task<IReadOnlyList<RunView>> ListAsync(bool all, CancellationToken cancel) =>
        Task.FromResult(engine.List(all));

    public IAsyncEnumerable<JournalEntry> ReadLogAsync(
        string id, long after, bool follow, CancellationToken cancel) =>
        engine.ReadLogAsync(id, after, follow, cancel);

    public Task WriteRawLogAsync(string id, bool follow, Stream output, CancellationToken cancel) =>
        engine.WriteRawLogAsync(id, follow, output, cancel);

    public Task<RunView> WaitAsync(string id, CancellationToken cancel) => engine.WaitAsync(id, cancel);

    public async Task<RunView> CancelAsync(string id, bool force, CancellationToken cancel)
    {
        await engine.RequestCancelAsync(id, force, cancel);
        return engine.Resolve(id);
    }

    public Task<MessageReceipt> SendAsync(string id, RunMessage message, CancellationToken cancel) =>
        engine.Talk.SendAsync(id, message, Me, string.Empty, cancel);

    public Task<InterruptReceipt> InterruptAsync(string id, CancellationToken cancel) =>
        engine.Talk.InterruptAsync(id, Me, string.Empty, cancel);

    public Task<ApprovalReceipt> DecideAsync(string id, ApprovalDecision decision, CancellationToken cancel) =>
        engine.Talk.DecideAsync(id, decision, Me, string.Empty, cancel);

    public Task<RunView> DeliverAsync(string id, bool allowSecrets, CancellationToken cancel) =>
        engine.DeliverAsync(id, allowSecrets, cancel);

    public Task<BudgetReport> BudgetsAsync(CancellationToken cancel) => Task.FromResult(engine.Budgets());

    public Task WriteDiffAsync(string id, DiffOrder order, Stream output, CancellationToken cancel) =>
        engine.WriteDiffAsync(id, order, output, cancel);

    public Task<IReadOnlyList<Artefact>> ListArtefactsAsync(string id, CancellationToken cancel) =>
        Task.FromResult(engine.Artefacts.List(id));

    public Task WriteArtefactAsync(string id, string name, Stream output, CancellationToken cancel) =>
        engine.Artefacts.WriteAsync(id, name, output, cancel);

    public Task<CleanupReport> CleanUpAsync(CleanupSelection selection, bool dryRun, CancellationToken cancel) =>
        engine.CleanUpAsync(selection, dryRun, cancel);

    public void Dispose()
    {
        // The engine holds nothing open between calls.
    }
}
