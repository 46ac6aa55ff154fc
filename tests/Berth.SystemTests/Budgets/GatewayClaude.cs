using System.Collections.Concurrent;
using System.Text.Json;
using Berth.Engine.Budgets;
using Berth.Engine.Claude;
using Berth.Engine.Gateway;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Berth.ScriptedModel;
using Berth.SystemTests.EndToEnd;

namespace Berth.SystemTests.Budgets;

/// <summary>The real CLI behind a gateway and nothing else of Berth's: none of the CLI's own limits is set.</summary>
internal sealed class GatewayClaude : IAsyncDisposable, IGatewayObserver
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private readonly RunDirectory directory = new(Directory.CreateTempSubdirectory("berth-budget-").FullName);
    private readonly ScriptedModelServer model;
    private readonly ConcurrentQueue<BudgetStop> stops = new();
    private int runs;

    private GatewayClaude(ScriptedModelServer model) => this.model = model;

    /// <summary>What the model was asked, with what it served.</summary>
    public IReadOnlyList<ModelRequest> Requests => model.Requests;

    /// <summary>What the gateway counted in the last run.</summary>
    public ModelUsage Totals { get; private set; } = new();

    /// <summary>The budgets that stopped calls.</summary>
    public IReadOnlyCollection<BudgetStop> Stops => stops;

    /// <summary>Models whose prices were not known.</summary>
    public ConcurrentQueue<string> Unknown { get; } = new();

    public static async Task<GatewayClaude> CreateAsync(CancellationToken cancel)
    {
        var claude = new GatewayClaude(await ScriptedModelServer.StartAsync(new ScriptedModelOptions(), cancel));
        Directory.CreateDirectory(claude.directory.GatewayFolder);
        return claude;
    }

    /// <summary>Plays a script to its end.</summary>
    /// <returns>The result event.</returns>
    public async Task<JsonElement> RunAsync(
        string script, BudgetLimits limits, CancellationToken cancel, string? named = null)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(Patience);
        Totals = new();
        using var admission = new CallAdmission(
            limits, Spending.None, SharedBudgets.None(TimeProvider.System), TimeProvider.System);
        await using var gateway = await ModelGateway.ServeAsync(
            directory, new() { Upstream = model.Uri!, ApiKey = "sk-dummy-key" }, this, admission, TimeProvider.System,
            patience.Token);
        var invocation = InvocationOf(named);
        await File.WriteAllTextAsync(
            invocation.SettingsFile!, ClaudeCommandLine.Settings(invocation), patience.Token);
        var environment = ClaudeCommandLine.Environment(invocation).ToDictionary(StringComparer.Ordinal);
        environment["PATH"] = "/usr/local/bin:/usr/bin:/bin";
        using var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = invocation.Claude,
            Arguments = [.. ClaudeCommandLine.Argv(invocation).Skip(1)],
            Environment = environment,
            WorkingDirectory = invocation.Workspace,
            Input = ChildStdio.Pipe,
            Output = ChildStdio.Pipe,
            Error = ChildStdio.Null,
        });
        try
        {
            return await ResultAsync(child, script, patience.Token);
        }
        finally
        {
            child.SignalGroup(HomeRuns.Kill);
        }
    }

    public void Begun(PendingCall call)
    {
        // What it came to follows.
    }

    public void Counted(ModelUsage totals, string? call) => Totals = totals;

    public void RequestRefused(RequestRefusal refusal) => RefusedRequests.Enqueue(refusal);

    public void BetaDropped(string beta) => DroppedBetas.Enqueue(beta);

    /// <summary>What the gateway did not forward of what the real CLI sent: nothing, if the lists are right.</summary>
    public ConcurrentQueue<RequestRefusal> RefusedRequests { get; } = new();

    public ConcurrentQueue<string> DroppedBetas { get; } = new();

    public void Refused(int status, string message)
    {
        // The requests say it too.
    }

    public void BudgetSpent(BudgetStop stop) => stops.Enqueue(stop);

    public void Unpriced(string model) => Unknown.Enqueue(model);

    public async ValueTask DisposeAsync()
    {
        await model.DisposeAsync();
        Directory.Delete(directory.Root, recursive: true);
    }

    private ClaudeInvocation InvocationOf(string? named)
    {
        runs++;
        var folder = Directory.CreateDirectory(Path.Combine(directory.Root, $"{runs}")).FullName;
        return new ClaudeInvocation
        {
            Claude = SystemTestEnvironment.RealClaude,
            Workspace = Directory.CreateDirectory(Path.Combine(folder, "workspace")).FullName,
            Home = Directory.CreateDirectory(Path.Combine(folder, "home")).FullName,
            TempFolder = Directory.CreateDirectory(Path.Combine(folder, "tmp")).FullName,
            GatewaySocket = Path.Combine(directory.GatewayFolder, RunDirectory.GatewaySocketName),
            SystemPromptFile = null,
            McpConfigFile = null,
            SettingsFile = Path.Combine(folder, "settings.json"),
            SessionId = Guid.NewGuid().ToString(),
            AllowedTools = ["Bash", "Task"],
            Model = named,
        };
    }

    private static async Task<JsonElement> ResultAsync(ChildProcess child, string script, CancellationToken cancel)
    {
        await using (var input = new FileStream(child.Input!, FileAccess.Write, bufferSize: 0))
        {
            await input.WriteAsync(ClaudeCommandLine.InputLine(BerthHome.Prompt(script)), cancel);
        }

        using var output = new StreamReader(new FileStream(child.Output!, FileAccess.Read, bufferSize: 1));
        JsonElement? result = null;
        while (await output.ReadLineAsync(cancel) is { } line)
        {
            var said = JsonDocument.Parse(line).RootElement;
            result = said.Text("type") is "result" ? said.Clone() : result;
        }

        await child.Exit.WaitAsync(cancel);
        return result ?? throw new InvalidOperationException("The CLI ended without a result.");
    }
}
