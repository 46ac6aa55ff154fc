namespace Berth.Engine.Gateway;

/// <summary>So many bytes for all requests of a run together; whoever came first is served first.</summary>
/// <remarks>
/// A request takes all that it has announced before a byte of it is read, so requests that have begun can always be
/// read to their end, and none waits for another one that waits for it.
/// </remarks>
internal sealed class ByteAllowance(long bytes)
{
    private readonly Lock gate = new();
    private readonly LinkedList<(long Bytes, TaskCompletionSource Granted)> waiting = [];
    private long left = bytes;

    /// <summary>Waits until there is room.</summary>
    /// <param name="wanted">No more than there is for all.</param>
    /// <param name="cancel">Nobody waits any more.</param>
    /// <returns>Gives it back when it is disposed of.</returns>
    public async Task<Share> TakeAsync(long wanted, CancellationToken cancel)
    {
        LinkedListNode<(long, TaskCompletionSource Granted)> place;
        lock (gate)
        {
            place = waiting.AddLast(
                (wanted, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)));
            Grant();
        }

        try
        {
            await place.Value.Granted.Task.WaitAsync(cancel);
            return new Share(this, wanted);
        }
        catch (OperationCanceledException)
        {
            Withdraw(place, wanted);
            throw;
        }
    }

    private void Withdraw(LinkedListNode<(long, TaskCompletionSource)> place, long wanted)
    {
        lock (gate)
        {
            if (place.List is null)
            {
                // Granted in the moment in which nobody waited any more.
                left += wanted;
            }
            else
            {
                waiting.Remove(place);
            }

            Grant();
        }
    }

    private void Give(long given)
    {
        lock (gate)
        {
            left += given;
            Grant();
        }
    }

    private void Grant()
    {
        while (waiting.First is { } first && first.Value.Bytes <= left)
        {
            left -= first.Value.Bytes;
            waiting.RemoveFirst();
            first.Value.Granted.SetResult();
        }
    }

    /// <summary>What a request was given.</summary>
    internal sealed class Share(ByteAllowance from, long size) : IDisposable
    {
        private long held = size;

        public void Dispose() => from.Give(Interlocked.Exchange(ref held, 0));
    }
}
