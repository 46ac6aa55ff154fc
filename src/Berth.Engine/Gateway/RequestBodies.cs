using Microsoft.AspNetCore.Http;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace Berth.Engine.Gateway;

/// <summary>Reads the bodies of a run's requests, within one bound of memory for all of them.</summary>
/// <remarks>
/// Small requests have an allowance of their own, so large ones that come slowly do not keep the CLI waiting.
/// A body is held until the upstream has begun to answer: until then it may have to be sent again.
/// </remarks>
internal sealed class RequestBodies(TimeProvider time)
{
    /// <summary>The longest body. The public API takes 32 MB; the CLI sends the whole conversation each time.</summary>
    public const int MaxBytes = 32 * 1024 * 1024;

    private const int SmallBytes = 1024 * 1024;
    private const int FirstBytes = 64 * 1024;

    /// <summary>How long a body may take, with its wait for room. A local socket takes milliseconds.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly ByteAllowance small = new(16L * SmallBytes);
    private readonly ByteAllowance large = new(2L * MaxBytes);

    /// <summary>Reads one.</summary>
    /// <returns>The body, or why it is refused.</returns>
    public async Task<(RequestBody? Body, RequestRefusal? Refusal)> ReadAsync(
        HttpRequest request, CancellationToken cancel)
    {
        if (request.ContentLength is > MaxBytes)
        {
            return (null, TooLarge);
        }

        // A body without a length may become as long as any.
        var size = (int)(request.ContentLength ?? MaxBytes);
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        ByteAllowance.Share? share = null;
        try
        {
            share = await (size <= SmallBytes ? small : large).TakeAsync(size, either.Token);
            var bytes = await ReadAsync(request, size, either.Token);
            if (bytes is null)
            {
                return (null, TooLarge);
            }

            var body = new RequestBody(bytes.Value, share);
            share = null;
            return (body, null);
        }
        catch (BadHttpRequestException malformed)
        {
            return (null, malformed.StatusCode == StatusCodes.Status413PayloadTooLarge
                ? TooLarge
                : new RequestRefusal(
                    StatusCodes.Status400BadRequest,
                    RequestRefusal.Invalid,
                    "The request is refused: its body breaks HTTP."));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (null, share is null ? Busy : Slow);
        }
        finally
        {
            share?.Dispose();
        }
    }

    private static async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpRequest request, int size, CancellationToken cancel)
    {
        var buffer = new byte[request.ContentLength is null ? FirstBytes : size];
        var used = 0;
        while (true)
        {
            if (used == buffer.Length)
            {
                if (used == size)
                {
                    // Nothing may follow.
                    return await request.Body.ReadAsync(new byte[1], cancel) == 0 ? buffer : null;
                }

                Array.Resize(ref buffer, Math.Min(size, used * 2));
            }

            var count = await request.Body.ReadAsync(buffer.AsMemory(used), cancel);
            if (count == 0)
            {
                return buffer.AsMemory(0, used);
            }

            used += count;
        }
    }

    private static RequestRefusal TooLarge { get; } = new(
        StatusCodes.Status413PayloadTooLarge,
        RequestRefusal.TooLarge,
        "The request is refused: it is larger than 32 MiB, which no model takes.");

    private static RequestRefusal Slow { get; } = new(
        StatusCodes.Status408RequestTimeout,
        RequestRefusal.Slow,
        "The request is refused: its body did not arrive within 60 seconds.");

    private static RequestRefusal Busy { get; } = new(
        StatusCodes.Status503ServiceUnavailable,
        RequestRefusal.Busy,
        "The request is refused: the run has too many large requests under way.");
}

/// <summary>A body that was read to its end.</summary>
internal sealed class RequestBody(ReadOnlyMemory<byte> bytes, IDisposable share) : IDisposable
{
    /// <summary>Its bytes; none once it is disposed of.</summary>
    public ReadOnlyMemory<byte> Bytes { get; private set; } = bytes;

    /// <summary>Lets go of it.</summary>
    public void Dispose()
    {
        Bytes = default;
        share.Dispose();
    }
}
