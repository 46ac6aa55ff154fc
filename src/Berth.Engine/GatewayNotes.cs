using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Berth.Engine.Budgets;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Gateway;
using Berth.Engine.Network;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>
/// Takes down what a host has to say while the supervisor writes the journal: tokens, refusals, a take-over, and what
/// passed through the egress proxy.
/// </summary>
internal sealed class GatewayNotes : IGatewayObserver, IProxyObserver, IAsyncDisposable
{
    // The model's refusals end runs, so there are few; connections are told up to a number.
    private const int MaxPending = 1024;
    private const int LongestModel = 100;

    // The journal keeps every event of ours, so what the agent can cause without end needs one.
    private const int MostConnectionsTold = 1000;
    private const int MostRefusalsTold = 100;
    private readonly Channel<ControlRequest> notes = Channel.CreateBounded<ControlRequest>(
        new BoundedChannelOptions(MaxPending) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    private readonly RunFlow flow;
    private readonly IExecutor executor;
    private readonly GatewayCounts before;
    private readonly Lock gate = new();
    private readonly List<JsonElement> unsaid = [];
    private NetworkCounts network;
    private GatewayCounts counted;
    private int connections;
    private int refusals;
    private long refusedRequests;
    private readonly CancellationTokenSource done = new();
    private readonly Task pump;

    public GatewayNotes(RunFlow flow, IExecutor executor)
    {
        this.flow = flow;
        this.executor = executor;
        before = flow.Progress.Gateway;
        counted = before;
        network = flow.Progress.Network;
        pump = PumpAsync();
    }

    /// <summary>Saved before the call is sent: the next host charges it where this one dies.</summary>
    public void Begun(PendingCall call) => Count(progress => progress with
    {
        PendingCalls = [.. progress.PendingCalls, call],
    });

    public void Counted(ModelUsage totals, string? call)
    {
        lock (gate)
        {
            counted = before.Plus(totals) with { RefusedRequests = before.RefusedRequests + refusedRequests };
            Count(progress => progress with
            {
                Gateway = counted,
                PendingCalls = [.. progress.PendingCalls.Where(
                    pending => !string.Equals(pending.Id, call, StringComparison.Ordinal))],
            });
        }
    }

    /// <summary>The agent asked for what it may not have. Told up to a number, and counted.</summary>
    public void RequestRefused(RequestRefusal refusal)
    {
        lock (gate)
        {
            refusedRequests++;
            counted = counted with { RefusedRequests = before.RefusedRequests + refusedRequests };
            if (refusedRequests > MostRefusalsTold)
            {
                return;
            }

            Count(progress => progress with { Gateway = counted });
        }

        Write(new JsonObject
        {
            ["type"] = BerthEvents.RequestRefused,
            ["code"] = refusal.Code,
            ["message"] = flow.Redact(refusal.Message),
        });
        SayIfLast(refusedRequests, MostRefusalsTold, "requests of the agent's to the model's gateway");
    }

    public void BetaDropped(string beta) => Write(new JsonObject
    {
        ["type"] = BerthEvents.Notice,
        ["message"] = flow.Redact(
            $"The agent asked for the API's beta {beta}, which Berth does not know: its calls go without it."),
    });

    /// <summary>A budget stopped a call; of a run's many the first is told, and is why it ends.</summary>
    public void BudgetSpent(BudgetStop stop)
    {
        lock (gate)
        {
            if (flow.Progress.BudgetStop is not null)
            {
                return;
            }

            Count(progress => progress with { BudgetStop = stop });
        }

        Write(new JsonObject
        {
            ["type"] = BerthEvents.BudgetSpent,
            ["scope"] = stop.Scope.ToString().ToLowerInvariant(),
            ["name"] = stop.Name,
            ["limit"] = stop.Limit,
            ["spent"] = stop.Spent,
            ["message"] = flow.Redact(stop.Message),
        });
    }

    public void Unpriced(string model) => Write(new JsonObject
    {
        ["type"] = BerthEvents.Notice,
        ["message"] = flow.Redact(
            $"The prices of the model {ResultFailures.OneLine(model, LongestModel)} are not known: it is reckoned at "
            + "the dearest that are. BERTH_MODEL_PRICES can name them."),
    });

    /// <summary>This host took the run over from one that had died.</summary>
    public void Adopted() => Write(new JsonObject { ["type"] = BerthEvents.Adopted });

    public void Refused(int status, string message)
    {
        var number = Interlocked.Increment(ref refusals);
        if (number <= MostRefusalsTold)
        {
            Write(new JsonObject
            {
                ["type"] = BerthEvents.ModelRefused,
                ["status"] = status,

                // The supervisor knows the credential of the host that started it, and this one may have another.
                ["message"] = flow.Redact(message),
            });
            SayIfLast(number, MostRefusalsTold, "calls that the model's service refused");
        }
    }

    public void Passed(ProxyConnection connection) => Tell(
        counts => counts with
        {
            Connections = counts.Connections + 1,
            BytesUp = counts.BytesUp + connection.BytesUp,
            BytesDown = counts.BytesDown + connection.BytesDown,
        },
        new JsonObject
        {
            ["type"] = BerthEvents.NetworkConnection,
            ["host"] = connection.Host,
            ["port"] = connection.Port,
            ["bytesUp"] = connection.BytesUp,
            ["bytesDown"] = connection.BytesDown,
            ["durationMs"] = (long)connection.Took.TotalMilliseconds,
        },
        ("failure", connection.Failure));

    public void Refused(ProxyRefusal refusal) => Tell(
        counts => counts with { Refusals = counts.Refusals + 1 },
        new JsonObject
        {
            ["type"] = BerthEvents.NetworkRefused,
            ["reason"] = refusal.Reason,
            ["message"] = refusal.Message,
        },
        ("host", refusal.Host),
        ("port", refusal.Port));

    /// <summary>Takes no more. What the supervisor did not live to write is written here, once it has ended.</summary>
    public async ValueTask DisposeAsync()
    {
        notes.Writer.Complete();
        await done.CancelAsync();
        await pump;
        done.Dispose();
        SaveNetwork();
        if (flow.Progress.Gateway != counted)
        {
            Count(progress => progress with { Gateway = counted });
        }

        while (notes.Reader.TryRead(out var note))
        {
            unsaid.Add(note.Data!.Value);
        }

        if (unsaid.Count > 0 && File.Exists(flow.Directory.ExitFile))
        {
            flow.Write(unsaid);
        }
    }

    private void SaveNetwork()
    {
        if (flow.Progress.Network != network)
        {
            Count(progress => progress with { Network = network });
        }
    }

    // No call of the model's fails for want of a database: the flow has the sum, and saves it with its next step.
    private void Count(Func<RunProgress, RunProgress> step)
    {
        try
        {
            flow.Save(step);
        }
        catch (DbException)
        {
            // The next count is one of all until then.
        }
    }

    private void Tell(
        Func<NetworkCounts, NetworkCounts> count, JsonObject note,
        params ReadOnlySpan<(string Name, JsonNode? Value)> more)
    {
        foreach (var (name, value) in more)
        {
            if (value is not null)
            {
                note[name] = value;
            }
        }

        lock (gate)
        {
            network = count(network);
            connections++;
            if (connections <= MostConnectionsTold)
            {
                Write(note);
                SaveNetwork();
            }
            else if (connections == MostConnectionsTold + 1)
            {
                SayNoMore($"The run has made {MostConnectionsTold} connections");
            }
        }
    }

    private void SayIfLast(long number, long most, string what)
    {
        if (number == most)
        {
            SayNoMore($"There were {most} {what}");
        }
    }

    private void SayNoMore(string what) => Write(new JsonObject
    {
        ["type"] = BerthEvents.Notice,
        ["message"] = $"{what}: further ones are only counted.",
    });

    private void Write(JsonObject note)
    {
        using var parsed = JsonDocument.Parse(note.ToJsonString());
        notes.Writer.TryWrite(new ControlRequest { Verb = ControlVerb.Note, Data = parsed.RootElement.Clone() });
    }

    private async Task PumpAsync()
    {
        try
        {
            await foreach (var note in notes.Reader.ReadAllAsync(done.Token))
            {
                unsaid.Add(note.Data!.Value);
                await executor.SendAsync(flow.Id, note, done.Token);
                unsaid.Clear();
            }
        }
        catch (FailureException)
        {
            // The supervisor has ended meanwhile: the CLI's own last words say that the model refused.
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The execution has ended, and with it the journal's writer.
        }
    }
}
