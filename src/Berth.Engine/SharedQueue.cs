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
                files.Input, files.SystemPrompt, files.McpConfig, SecretsOf(options, files.Environment)),
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

    /// <summary>Refuses to serve where another home has this one's name, and lives.</summary>
    /// <exception cref="FailureException"><c>server_id_taken</c>.</exception>
    public void RefuseTwins(TimeSpan away, DateTimeOffset now)
    {
        if (Find(home) is { } twin && !string.Equals(twin.Place, Place, StringComparison.Ordinal)
            && now - twin.SeenAt < away)
        {
            throw new FailureException(
                "server_id_taken",
                $"The server of {twin.Place} calls itself {home} too, and was seen "
                    + $"{(now - twin.SeenAt).TotalSeconds:0} seconds ago.",
                $"Where {options.Home} is a copy of that one, remove the file server-id in it.",
                Fault.Operator);
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

    /// <summary>Ends the runs of a server that has been away for longer than any run may take.</summary>
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
        return servers.GiveUp(gone.Id, JsonSerializer.Serialize(outcome, RunJson.Default.RunOutcome));
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
