using System.Collections.Concurrent;
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
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private const int BeatsInAway = 6;

    private readonly ConcurrentDictionary<string, Sight> seen = new(StringComparer.Ordinal);
    private long beatAt;
    private bool hasBegun;

    private enum Standing
    {
        /// <summary>It stands in the table, which may be all that there is of it.</summary>
        Unknown,

        /// <summary>Its number was seen to grow.</summary>
        Alive,

        /// <summary>It was not, for too long.</summary>
        Away,
    }

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

    /// <summary>Whether another server was seen to live, once that is known.</summary>
    /// <remarks>An address that is only left in the table may be somebody else's now, and no token is sent
    /// there.</remarks>
    public async Task<bool> IsAliveAsync(string id, CancellationToken cancel)
    {
        var began = time.GetTimestamp();
        using var poll = new PeriodicTimer(Poll, time);
        while (StandingOf(id) == Standing.Unknown && time.GetElapsedTime(began) < Patience)
        {
            await poll.WaitForNextTickAsync(cancel);
        }

        return StandingOf(id) == Standing.Alive;
    }

    private Standing StandingOf(string id) => seen.GetValueOrDefault(id)?.Standing ?? Standing.Unknown;

    private void Judge(ServerRow server)
    {
        if (!seen.TryGetValue(server.Id, out var known))
        {
            seen[server.Id] = new Sight(server.Beat, time.GetTimestamp(), Standing.Unknown);
        }
        else if (known.Beat != server.Beat)
        {
            if (known.Standing == Standing.Away)
            {
                LogBack(server.Id);
            }

            seen[server.Id] = new Sight(server.Beat, time.GetTimestamp(), Standing.Alive);
        }
        else if (time.GetElapsedTime(known.At) >= away)
        {
            seen[server.Id] = known with { Standing = Standing.Away };
            TakeOver(server, isNews: known.Standing != Standing.Away);
        }
    }

    private void TakeOver(ServerRow server, bool isNews)
    {
        var released = engine.Queue.Release(server);
        if (isNews || released > 0)
        {
            LogAway(server.Id, server.Url, released);
        }

        if (time.GetUtcNow() - server.SeenAt > Gone)
        {
            var lost = engine.Queue.GiveUp(server);
            LogGone(server.Id, lost);
            seen.TryRemove(server.Id, out _);
        }
    }

    [LoggerMessage(20, LogLevel.Warning, "server {Server} at {Url} is away; {Count} runs of it wait again")]
    private partial void LogAway(string server, string url, int count);

    [LoggerMessage(21, LogLevel.Information, "server {Server} is back")]
    private partial void LogBack(string server);

    [LoggerMessage(22, LogLevel.Error, "server {Server} was away for a day and is forgotten; {Count} runs are lost")]
    private partial void LogGone(string server, int count);

    private sealed record Sight(long Beat, long At, Standing Standing);
}
