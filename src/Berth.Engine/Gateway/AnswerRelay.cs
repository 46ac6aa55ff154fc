using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>How far an answer was read.</summary>
internal enum AnswerEnd
{
    /// <summary>To its end.</summary>
    Complete,

    /// <summary>The upstream broke it off, and what passed until then is what there was.</summary>
    Broken,

    /// <summary>Berth stopped reading: the upstream may have written all that it was allowed to.</summary>
    Cut,
}

/// <summary>Passes an answer on to the agent, and reads it to its end whatever the agent does.</summary>
/// <remarks>
/// The upstream charges an answer that nobody reads as well. So a client that hangs up, or reads too slowly, is let go,
/// and the answer is read on for what it says that it used; within bounds of time and size.
/// </remarks>
/// <param name="context">The agent's request.</param>
/// <param name="response">The answer.</param>
/// <param name="options">The bounds.</param>
/// <param name="time">The clock.</param>
internal sealed class AnswerRelay(
    HttpContext context, HttpResponseMessage response, GatewayOptions options, TimeProvider time) : IDisposable
{
    private const int BufferBytes = 32 * 1024;

    // Some hundred times what 128,000 tokens come to as a stream.
    private const long MaxBytes = 256L * 1024 * 1024;

    // A program on this machine that takes longer for 32 KiB does not want to read.
    private static readonly TimeSpan WriteLimit = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource unheard = new(Timeout.InfiniteTimeSpan, time);
    private volatile bool isUnheard;

    /// <summary>Passes it on.</summary>
    /// <param name="meter">Reads what was used.</param>
    /// <param name="cut">The host ends.</param>
    public async Task<AnswerEnd> RunAsync(UsageMeter meter, CancellationToken cut)
    {
        await using var abort = context.RequestAborted.Register(LetGo);
        using var silence = new CancellationTokenSource(options.Silence, time);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, unheard.Token, cut);
        var buffer = new byte[BufferBytes];
        var passed = 0L;
        try
        {
            await using var from = await response.Content.ReadAsStreamAsync(any.Token);
            while (true)
            {
                silence.CancelAfter(options.Silence);
                var count = await from.ReadAsync(buffer, any.Token);
                if (count == 0)
                {
                    meter.Complete();
                    return AnswerEnd.Complete;
                }

                passed += count;
                meter.Read(buffer.AsSpan(0, count));
                if (passed > MaxBytes)
                {
                    return Break(AnswerEnd.Cut);
                }

                silence.CancelAfter(Timeout.InfiniteTimeSpan);
                await WriteAsync(buffer.AsMemory(0, count));
            }
        }
        catch (OperationCanceledException)
        {
            return Break(AnswerEnd.Cut);
        }
        catch (Exception broken) when (broken is IOException or HttpRequestException)
        {
            return Break(AnswerEnd.Broken);
        }
    }

    public void Dispose() => unheard.Dispose();

    // The answer has begun, so it can only be cut; a clean end would be taken for a complete answer.
    private AnswerEnd Break(AnswerEnd end)
    {
        context.Abort();
        return end;
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (isUnheard)
        {
            return;
        }

        using var limit = new CancellationTokenSource(WriteLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, context.RequestAborted);
        try
        {
            await context.Response.Body.WriteAsync(bytes, either.Token);
            await context.Response.Body.FlushAsync(either.Token);
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException or ObjectDisposedException)
        {
            LetGo();
            context.Abort();
        }
    }

    private void LetGo()
    {
        isUnheard = true;
        unheard.CancelAfter(options.Unheard);
    }
}
