using Berth.Engine;
using Berth.Engine.Runs;
using Microsoft.Extensions.Logging;

namespace Berth.Server.Dispatch;

/// <summary>Says to the servers that share the database that this one lives, and looks after what others have left that
/// are away.</summary>
/// <remarks>
/// How long another has been silent is measured here, by this machine's clock, from when its number was last seen to
/// grow: a server that has just started waits its time out before it judges anybody.
/// </remarks>
internal sealed partial class Presence(
    BerthEngine engine, TimeSpan away, TimeProvider time, ILogger<Presence> log)
{
    // No run takes longer than a day, so what a server that was silent for so long had at work is at work no more.
    private static readonly TimeSpan Gone = TimeSpan.FromHours(25);
    private const int BeatsInAway = 6;

    private readonly Dictionary<string, (long Beat, long At, bool IsAway)> seen = new(StringComparer.Ordinal);
    private long beatAt;
    private bool hasBegun;

    /// <summary>One look, where it is time for it. Called at each turn of the dispatcher.</summary>
    /// <param name="url">Where the others reach this one.</param>
    public void Look(Uri url)
    {
        if (!engine.Queue.IsShared || (hasBegun && time.GetElapsedTime(beatAt) < away / BeatsInAway))
        {
            return;
        }

        (hasBegun, beatAt) = (true, time.GetTimestamp());
        foreach (var server in engine.Queue.Beat(url))
        {
            if (!string.Equals(server.Id, engine.Queue.Home, StringComparison.Ordinal))
            {
                Judge(server);
            }
        }
    }

    private void Judge(ServerRow server)
    {
        if (!seen.TryGetValue(server.Id, out var known) || known.Beat != server.Beat)
        {
            if (known.IsAway)
            {
                LogBack(server.Id);
            }

            seen[server.Id] = (server.Beat, time.GetTimestamp(), IsAway: false);
            return;
        }

        if (time.GetElapsedTime(known.At) < away)
        {
            return;
        }

        seen[server.Id] = known with { IsAway = true };
        var released = engine.Queue.Release(server);
        if (!known.IsAway || released > 0)
        {
            LogAway(server.Id, server.Url, released);
        }

        if (time.GetUtcNow() - server.SeenAt > Gone && engine.Queue.GiveUp(server) is > 0 and var lost)
        {
            LogGone(server.Id, lost);
        }
    }

    [LoggerMessage(20, LogLevel.Warning, "server {Server} at {Url} is away; {Count} runs of it wait again")]
    private partial void LogAway(string server, string url, int count);

    [LoggerMessage(21, LogLevel.Information, "server {Server} is back")]
    private partial void LogBack(string server);

    [LoggerMessage(22, LogLevel.Error, "server {Server} has been away for a day; {Count} runs of it are lost")]
    private partial void LogGone(string server, int count);
}
