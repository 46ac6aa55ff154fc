using System.Collections.Concurrent;
using System.Security.Cryptography;
using Berth.Engine;
using Berth.Engine.Webhooks;
using Berth.Server.Logs;
using Microsoft.Extensions.Logging;

namespace Berth.Server.Webhooks;

/// <summary>Tells receivers what becomes of runs.</summary>
/// <remarks>
/// It looks for what is to be told, and nobody tells it: a run may be finished by a program that knows nothing of
/// receivers, and by one that dies in that moment. A message is noted before it is sent and removed when its receiver
/// has it, so it comes once or more, always with the same id.
/// </remarks>
internal sealed partial class WebhookSender : IAsyncDisposable
{
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    // Ten tries over about a day. Each pause is up to a fifth shorter or longer.
    private static readonly TimeSpan[] Pauses =
    [
        TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2),
        TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(6),
        TimeSpan.FromHours(15),
    ];

    private readonly BerthEngine engine;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly IReadOnlyList<WebhookReceiver> receivers;
    private readonly WebhookNotes notes;
    private readonly WebhookClient client;
    private readonly CancellationTokenSource stop = new();
    private readonly SemaphoreSlim wake = new(0, 1);
    private readonly ConcurrentDictionary<(string Receiver, string Message), Task> underWay = new();
    private readonly ConcurrentDictionary<string, bool> failing = new(StringComparer.Ordinal);
    private Task loop = Task.CompletedTask;

    public WebhookSender(
        BerthEngine engine, WebhookOptions options, WebhookKeys keys, TimeProvider time, ILogger<WebhookSender> log)
    {
        (this.engine, this.time, this.log) = (engine, time, log);
        receivers =
        [
            .. options.Urls.Select(url => new WebhookReceiver(url))
                .DistinctBy(each => each.Key, StringComparer.Ordinal),
        ];
        notes = new WebhookNotes(engine, receivers, options);
        client = new WebhookClient(options, keys, time);
    }

    /// <summary>The pause after a number of tries, or null where there is no next one.</summary>
    /// <param name="tries">How often it was tried.</param>
    /// <param name="chance">0 to 1.</param>
    public static TimeSpan? PauseAfter(int tries, double chance) =>
        tries <= Pauses.Length ? Pauses[tries - 1] * (0.8 + (0.4 * chance)) : null;

    /// <summary>Begins to tell; where nobody is to be told, only forgets who was.</summary>
    public void Begin()
    {
        notes.Settle();
        loop = receivers.Count > 0 ? RunAsync() : Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await Task.WhenAll([loop, .. underWay.Values]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        client.Dispose();
        stop.Dispose();
        wake.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var (isMore, dropped) = notes.NoteAll(time.GetUtcNow());
                if (dropped > 0)
                {
                    LogDropped(dropped, WebhookStore.MostWaiting);
                }

                foreach (var receiver in receivers)
                {
                    Send(receiver);
                }

                await wake.WaitAsync(isMore ? TimeSpan.Zero : Turn, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                // The boundary of a turn: a database that is locked or full for a while ends no server.
                LogTurn(failed);
                await Task.Delay(Turn, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Send(WebhookReceiver receiver)
    {
        var free = WebhookClient.MostAtOnce - underWay.Keys.Count(
            each => string.Equals(each.Receiver, receiver.Key, StringComparison.Ordinal));
        foreach (var message in free > 0 ? engine.Webhooks.ListDue(receiver.Key, free) : [])
        {
            if (engine.Webhooks.Claim(message, time.GetUtcNow() + WebhookClient.Limit + Margin))
            {
                // Known before it is begun, so that it takes its place.
                var begin = new TaskCompletionSource();
                underWay[(receiver.Key, message.Id)] = SendAsync(
                    receiver, message with { Tries = message.Tries + 1 }, begin.Task);
                begin.SetResult();
            }
        }
    }

    private void Forget(WebhookReceiver receiver, WebhookMessage message)
    {
        underWay.TryRemove((receiver.Key, message.Id), out _);
        try
        {
            wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It was told already.
        }
    }

    private async Task SendAsync(WebhookReceiver receiver, WebhookMessage message, Task begin)
    {
        await begin;
        await Task.Yield();
        using var scope = log.BeginScope(new RunScope(message.RunId));
        try
        {
            Settle(receiver, message, await client.SendAsync(receiver, message, stop.Token));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The next server tries it again.
        }
        catch (Exception failed)
        {
            // The boundary of one try: the message is due again when its claim has run out.
            LogTurn(failed);
        }
        finally
        {
            Forget(receiver, message);
        }
    }

    private void Settle(WebhookReceiver receiver, WebhookMessage message, WebhookAnswer answer)
    {
        if (answer.IsTaken)
        {
            engine.Webhooks.Remove(message);
            if (failing.TryRemove(receiver.Key, out _))
            {
                LogBack(receiver.Shown);
            }

            return;
        }

        // Once for each receiver, and not for each message and try: one that is down for a day fills no disk.
        if (failing.TryAdd(receiver.Key, true))
        {
            LogFailing(receiver.Shown, answer.Words);
        }

        var chance = RandomNumberGenerator.GetInt32(1001) / 1000d;
        if (!answer.IsFinal && PauseAfter(message.Tries, chance) is { } pause)
        {
            engine.Webhooks.Postpone(message, time.GetUtcNow() + pause);
            return;
        }

        engine.Webhooks.Remove(message);
        LogGivenUp(message.Id, receiver.Shown, message.Tries, answer.Words);
    }

    [LoggerMessage(40, LogLevel.Warning, "the webhook receiver {Receiver} does not take messages: {Reason}")]
    private partial void LogFailing(string receiver, string reason);

    [LoggerMessage(41, LogLevel.Information, "the webhook receiver {Receiver} takes messages again")]
    private partial void LogBack(string receiver);

    [LoggerMessage(42, LogLevel.Error, "{Id} is given up after {Tries} tries; {Receiver}: {Reason}")]
    private partial void LogGivenUp(string id, string receiver, int tries, string reason);

    [LoggerMessage(43, LogLevel.Error, "{Count} webhook messages are given up: {Most} wait for that receiver already")]
    private partial void LogDropped(int count, int most);

    [LoggerMessage(44, LogLevel.Error, "webhooks: a turn failed; the next one follows")]
    private partial void LogTurn(Exception failed);
}
