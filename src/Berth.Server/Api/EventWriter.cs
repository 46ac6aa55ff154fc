using System.Buffers;
using System.Globalization;
using System.Text;
using Berth.Engine.Transcripts;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>Writes events to one reader: server-sent events, or lines of JSON.</summary>
/// <remarks>
/// The answer begins with the first event, or when there is none for a moment: a reader of server-sent events that has
/// all of an ended run is answered 204, which is how an EventSource is told not to come back.
/// </remarks>
internal sealed class EventWriter(HttpContext context, bool asLines, TimeProvider time)
{
    // A connection through which nothing goes is cut by what lies between; and a reader that has gone shows by this.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(15);

    // Who waits for a run that has not begun learns soon that he was let in.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(250);

    // How long an EventSource waits before it comes again, in milliseconds.
    private const string Retry = "retry: 2000\n\n";
    private static readonly byte[] StreamMark = "\"stream\":\""u8.ToArray();

    /// <summary>Begins the answer, unless it has begun.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        var response = context.Response;
        if (response.HasStarted)
        {
            return;
        }

        response.ContentType = asLines ? EventStream.Lines : EventStream.Events;
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        await response.StartAsync(cancel);
        if (!asLines && !HeadRequests.Is(context))
        {
            response.BodyWriter.Write(Encoding.ASCII.GetBytes(Retry));
            await response.BodyWriter.FlushAsync(cancel);
        }
    }

    /// <summary>Writes a piece of an event.</summary>
    public async Task WriteAsync(JournalPiece piece, CancellationToken cancel)
    {
        await StartAsync(cancel);
        var body = context.Response.BodyWriter;
        if (piece.IsFirst && !asLines)
        {
            body.Write(Encoding.ASCII.GetBytes(
                string.Create(CultureInfo.InvariantCulture, $"id: {piece.Seq}\nevent: ")));
            body.Write(StreamOf(piece.Bytes.Span));
            body.Write("\ndata: "u8);
        }

        body.Write(piece.Bytes.Span);
        if (piece.IsLast)
        {
            body.Write(asLines ? "\n"u8 : "\n\n"u8);
        }

        // At each piece: what is not sent yet stays in the file, and not in memory.
        await body.FlushAsync(cancel);
    }

    /// <summary>Ends the answer of a run whose events are all written.</summary>
    public async Task EndAsync(bool isOver, CancellationToken cancel)
    {
        if (!context.Response.HasStarted && isOver && !asLines && !HeadRequests.Is(context))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await StartAsync(cancel);
    }

    /// <summary>Waits for more, and says now and then that it does.</summary>
    public async ValueTask WaitAsync(Task more, CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                // Its clock goes with it; one of its own for each event would be there for all of the quiet time.
                await more.WaitAsync(context.Response.HasStarted ? Quiet : Moment, time, cancel);
                return;
            }
            catch (TimeoutException) when (!more.IsCompleted)
            {
                if (!context.Response.HasStarted)
                {
                    await StartAsync(cancel);
                }
                else if (!asLines)
                {
                    context.Response.BodyWriter.Write(": quiet\n\n"u8);
                    await context.Response.BodyWriter.FlushAsync(cancel);
                }
            }
        }
    }

    // The stream's name stands in front of the data, which is the agent's.
    private static ReadOnlySpan<byte> StreamOf(ReadOnlySpan<byte> line)
    {
        var at = line.IndexOf(StreamMark);
        var rest = at < 0 ? default : line[(at + StreamMark.Length)..];
        var end = rest.IndexOf((byte)'"');
        var name = end < 0 ? default : rest[..end];
        return name.SequenceEqual("stdout"u8) || name.SequenceEqual("stderr"u8) || name.SequenceEqual("berth"u8)
            ? name
            : "message"u8;
    }
}
