using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What the homes that share a database have to do with each other: which run is whose.</summary>
/// <remarks>
/// A run that waits is nobody's. The home that takes it makes its directory from what stands in the database; from the
/// moment that it is launched it stays that home's, whatever becomes of the server: its supervisor may be at work.
/// </remarks>
internal sealed class SharedQueue(
    BerthOptions options, string home, RunStore runs, RunDirectories directories, ServerStore servers)
{
    private static readonly TimeSpan TwinPoll = TimeSpan.FromMilliseconds(250);

    /// <summary>Whether there can be other homes.</summary>
    public bool IsShared => runs.AreShared;

    /// <summary>This home's name among them.</summary>
    public string Home => home;

    private string Place => $"{Environment.MachineName}:{options.Home}";

    /// <summary>Whether a run's directory is in this home.</summary>
    public bool IsHere(RunView run) =>
        !IsShared || string.Equals(run.Server, home, StringComparison.Ordinal);

    /// <summary>Makes a run that waits this home's, with its directory. One that is at work is left as it is.</summary>
    /// <returns>Whether it is this home's.</returns>
    public bool Take(string id)
    {
        if (!IsShared)
        {
            return true;
        }

        if (runs.Find(id) is not { } run)
        {
            return false;
        }

        if (run.State != RunState.Queued || runs.Take(id) is not { } files)
        {
            return string.Equals(runs.Find(id)?.Server, home, StringComparison.Ordinal);
        }

        // The credential that goes with the model's address is this home's, and so must the address be.
        var plan = run.Plan with
        {
            ClaudeBinary = ClaudeBinary.Find(options.ClaudeBinary, options.ProgramFolder, options.Home)
                ?? run.Plan.ClaudeBinary,
            Upstream = options.Gateway.Upstream,
            NeedsCredential = options.Gateway.HasCredential,
        };
        runs.Replan(id, plan);

        // One that was begun here and came to nothing is begun anew.
        directories.Remove(id);
        directories.Create(
            id,
            new AgentFiles(
                files.Input, files.SystemPrompt, files.McpConfig, SecretsOf(options, files.Environment))
            {
                Conversation = plan.ContinuedFrom is { } earlier ? Conversations.Of(directories.Of(earlier)) : null,
            },
            WarmRefill.KeyOf(options, plan));
        return true;
    }

    /// <summary>What must not be shown of a run with these variables.</summary>
    public static RunSecrets SecretsOf(BerthOptions options, Dictionary<string, string> environment) => new()
    {
        Environment = environment,
        Redact =
        [
            .. environment.Values.Where(value => value.Length >= Redactor.ShortestValue), .. options.Gateway.Secrets,
        ],
    };

    /// <summary>Refuses to serve where another home has this one's name, and lives: its number is watched for as long
    /// as a server may be silent. Returns at once where the name is this place's, or nobody's.</summary>
    /// <param name="away">After how long without a sign of life a server counts as away.</param>
    /// <param name="time">The clock.</param>
    /// <param name="announce">Takes why it has to be waited for.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="FailureException"><c>server_id_taken</c>.</exception>
    public async Task RefuseTwinsAsync(
        TimeSpan away, TimeProvider time, Action<string> announce, CancellationToken cancel)
    {
        if (!IsShared || Find(home) is not { Place.Length: > 0 } twin
            || string.Equals(twin.Place, Place, StringComparison.Ordinal))
        {
            return;
        }

        announce(
            $"{home} was at {twin.Place} before; for {away.TotalSeconds:0} s it is watched whether it lives there.");
        var began = time.GetTimestamp();
        using var poll = new PeriodicTimer(TwinPoll, time);
        while (time.GetElapsedTime(began) < away && !cancel.IsCancellationRequested)
        {
            await poll.WaitForNextTickAsync(CancellationToken.None);
            if (Find(home) is { } now && now.Beat != twin.Beat)
            {
                throw new FailureException(
                    "server_id_taken",
                    $"The server of {now.Place} calls itself {home} too, and lives.",
                    $"Where {options.Home} is a copy of that one's home, remove the file server-id in the copy.",
                    Fault.Operator);
            }
        }
    }

    /// <summary>Says that the server of this home has ended in order.</summary>
    public void Leave()
    {
        if (IsShared)
        {
            servers.Leave(home);
        }
    }

    /// <summary>Says that the server of this home lives.</summary>
    /// <returns>All servers that there are.</returns>
    public IReadOnlyList<ServerRow> Beat(Uri url)
    {
        servers.Beat(home, Place, url.AbsoluteUri);
        return servers.List();
    }

    /// <summary>A server by its home's name, or null.</summary>
    public ServerRow? Find(string id) =>
        servers.List().FirstOrDefault(server => string.Equals(server.Id, id, StringComparison.Ordinal));

    /// <summary>Gives back to the queue what a server that is away had not launched.</summary>
    /// <returns>How many runs.</returns>
    public int Release(ServerRow away) => servers.Release(
        away.Id, JsonSerializer.Serialize(new RunProgress(), RunJson.Default.RunProgress));

    /// <summary>Ends the runs of a server that has been away for longer than any run may take, and forgets
    /// it.</summary>
    /// <returns>How many.</returns>
    public int GiveUp(ServerRow gone)
    {
        var outcome = new RunOutcome
        {
            State = RunState.Lost,
            Error = new Failure(
                "server_gone",
                $"The server {gone.Id}, of {gone.Place}, had the run and has not been seen since {gone.SeenAt:u}.",
                "Its work, if there is any, is on that machine. Run it again.",
                Fault.Operator),
        };
        var lost = servers.GiveUp(gone.Id, JsonSerializer.Serialize(outcome, RunJson.Default.RunOutcome));
        servers.Forget(gone.Id);
        return lost;
    }

    /// <summary>Removes the directories of runs that were given to another home while this one was away.</summary>
    public void RemoveStale()
    {
        foreach (var id in IsShared ? directories.Ids() : [])
        {
            RemoveStale(id);
        }
    }

    /// <summary>Removes the directory of one run, where it is another home's now.</summary>
    public void RemoveStale(string id)
    {
        if (IsShared && runs.Find(id) is { } run && !string.Equals(run.Server, home, StringComparison.Ordinal))
        {
            directories.Remove(id);
        }
    }
}
