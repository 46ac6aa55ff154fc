using System.Globalization;
using Berth.Engine;
using Berth.Engine.Executors;
using Berth.Engine.Gateway;
using Berth.Engine.Network;
using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Protocol;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.Tests.Runs;

/// <summary>FAULTS F 59: what an agent can make its gateway and its proxy say, to a supervisor that does not
/// listen.</summary>
public sealed class GatewayNotesTests : IDisposable
{
    private const int Each = 4000;
    private readonly string folder = Directory.CreateTempSubdirectory("berth-notes-").FullName;

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task F59_Refusals_and_connections_without_end_are_counted_and_a_bounded_number_is_told()
    {
        var flow = Flow();
        var notes = new GatewayNotes(flow, new DeafExecutor());
        for (var number = 0; number < Each; number++)
        {
            var host = string.Create(CultureInfo.InvariantCulture, $"{number}.{new string('h', 240)}.example");
            notes.RequestRefused(new RequestRefusal(403, RequestRefusal.Fetch, host));
            notes.Refused(529, host);
            notes.Refused(new ProxyRefusal(host, 443, "not_allowed", host));
            notes.Passed(new ProxyConnection(host, 443, 1, 2, TimeSpan.Zero, host));
        }

        var kept = Retained.BytesOf(notes, flow);
        await notes.DisposeAsync();

        Assert.True(kept < 8 * 1024 * 1024, $"{kept} bytes are kept.");
        Assert.Equal(Each, flow.Progress.Gateway.RefusedRequests);
        Assert.Equal(new NetworkCounts(Each, Each, Each, 2 * Each), flow.Progress.Network);
    }

    private RunFlow Flow()
    {
        var store = new RunStore(
            Database.Open(Path.Combine(folder, "berth.db"), connectionString: null),
            HomeName.Alone,
            TimeProvider.System);
        var directories = new RunDirectories(Path.Combine(folder, "runs"), elsewhere: null);
        var id = RunId.New(TimeProvider.System);
        directories.Create(id, new AgentFiles([], null, null, new RunSecrets()));
        return new RunFlow(store.Insert(id, Plans.Any()), store, directories, [], TimeProvider.System);
    }

    private sealed class DeafExecutor : IExecutor
    {
        public string Mode => "local";

        public Task<ExecutorProbe> ProbeAsync(
            ExecutionPolicy policy, string? claudeBinary, CancellationToken cancellation) =>
            throw new NotSupportedException();

        public ExecutionLayout LayOut(string runId, ExecutionPolicy policy, string claudeBinary) =>
            throw new NotSupportedException();

        public Task<ExecutionHandle> ExecuteClaudeTaskAsync(ExecutionSpec spec, CancellationToken cancellation) =>
            throw new NotSupportedException();

        public IAsyncEnumerable<JournalEntry> GetExecutionLogsAsync(
            string runId, long after, bool follow, CancellationToken cancellation) =>
            throw new NotSupportedException();

        public Task<bool> CancelExecutionAsync(string runId, bool force, CancellationToken cancellation) =>
            throw new NotSupportedException();

        public Task SendAsync(string runId, ControlRequest request, CancellationToken cancellation) =>
            Task.Delay(Timeout.Infinite, cancellation);

        public Task<RecoveredExecution> RecoverAsync(string runId, CancellationToken cancellation) =>
            throw new NotSupportedException();

        public Task<IReadOnlyList<string>> CleanUpAsync(string runId, bool keepWorkspace, CancellationToken deadline) =>
            throw new NotSupportedException();

        public Task<IReadOnlyList<OwnedExecution>> ListOwnedAsync(CancellationToken cancellation) =>
            throw new NotSupportedException();
    }
}
