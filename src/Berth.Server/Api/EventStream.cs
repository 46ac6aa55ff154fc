using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
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

    private const string Events = "text/event-stream";

    // A connection through which nothing goes is cut by what lies between; and a reader that has gone shows by this.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(15);

    /// <summary>Answers with the events of a run, to its end.</summary>
    public async Task WriteAsync(HttpContext context, RunView run, CancellationToken stop)
    {
        var after = After(context.Request);
        var follow = context.Request.Query["follow"] is not ["false"];
        var asLines = context.Request.Headers.Accept.Any(
            value => value?.Contains(Lines, StringComparison.OrdinalIgnoreCase) == true);
        var response = context.Response;
        response.ContentType = asLines ? Lines : Events;
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop);
        await response.StartAsync(either.Token);
        var body = response.BodyWriter;
        if (follow)
        {
            var taken = forwarding.TakenAsync(run, either.Token);
            await WaitAsync(body, asLines, taken, either.Token);
            run = await taken;
        }

        if (run.Server is not null && !engine.Queue.IsHere(run))
        {
            await forwarding.GoOnAsync(context, run, either.Token);
            return;
        }

        await using var journal = engine.OpenJournal(run.Id);
        var pieces = JournalCopy.ReadAsync(
            journal.Feed, after, follow, more => WaitAsync(body, asLines, more, either.Token), either.Token);
        await foreach (var piece in pieces)
        {
            if (piece.IsFirst && !asLines)
            {
                body.Write(Encoding.ASCII.GetBytes(
                    string.Create(CultureInfo.InvariantCulture, $"id: {piece.Seq}\ndata: ")));
            }

            body.Write(piece.Bytes.Span);
            if (piece.IsLast)
            {
                body.Write(asLines ? "\n"u8 : "\n\n"u8);
            }

            // At each piece: what is not sent yet stays in the file, and not in memory.
            await body.FlushAsync(either.Token);
        }
    }

    private async ValueTask WaitAsync(PipeWriter body, bool asLines, Task more, CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                // Its clock goes with it; one of its own for each event would be there for all of the quiet time.
                await more.WaitAsync(Quiet, time, cancel);
                return;
            }
            catch (TimeoutException) when (!more.IsCompleted)
            {
                if (!asLines)
                {
                    body.Write(": quiet\n\n"u8);
                    await body.FlushAsync(cancel);
                }
            }
        }
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
