using System.Globalization;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>A run's events as they happen: server-sent events, or lines of JSON.</summary>
/// <remarks>
/// The journal's lines go out as they are. Each reader has its own place in the file and waits for its own connection
/// only, so a slow one holds up nobody and takes no memory.
/// </remarks>
internal sealed class EventStream(BerthEngine engine, Forwarding forwarding, TimeProvider time)
{
    /// <summary>The type of lines of JSON.</summary>
    public const string Lines = "application/x-ndjson";

    /// <summary>The type of server-sent events.</summary>
    public const string Events = "text/event-stream";

    /// <summary>Answers with the events of a run, to its end.</summary>
    public async Task WriteAsync(HttpContext context, RunView run, CancellationToken stop)
    {
        var after = After(context.Request);
        var follow = context.Request.Query["follow"] is not ["false"];
        var asLines = Negotiation.Choose(context, Events, Lines) is Lines;
        var writer = new EventWriter(context, asLines, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop);
        if (HeadRequests.Is(context))
        {
            await writer.StartAsync(either.Token);
            return;
        }

        if (follow)
        {
            var taken = forwarding.TakenAsync(run, either.Token);
            await writer.WaitAsync(taken, either.Token);
            run = await taken;
        }

        if (run.Server is not null && !engine.Queue.IsHere(run))
        {
            await writer.StartAsync(either.Token);
            await forwarding.GoOnAsync(context, run, either.Token);
            return;
        }

        await using var journal = engine.OpenJournal(run.Id);
        var pieces = JournalCopy.ReadAsync(
            journal.Feed, after, follow, more => writer.WaitAsync(more, either.Token), either.Token);
        await foreach (var piece in pieces)
        {
            await writer.WriteAsync(piece, either.Token);
        }

        await writer.EndAsync(engine.Find(run.Id)?.State.IsFinal() ?? true, either.Token);
    }

    private static long After(HttpRequest request)
    {
        var text = request.Query["after"] is [{ Length: > 0 } asked] ? asked
            : request.Headers["Last-Event-ID"] is [{ Length: > 0 } last] ? last
            : null;
        return text is null ? 0
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var after) ? after
            : throw new FailureException(
                "query_invalid",
                "The query is not valid: after and Last-Event-ID are the number of the last event that you have.",
                "Leave it out for all events.",
                Fault.User);
    }
}
