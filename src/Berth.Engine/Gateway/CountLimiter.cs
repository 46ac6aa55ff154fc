namespace Berth.Engine.Gateway;

/// <summary>How often a run may have its tokens counted: that costs nothing, and so no budget bounds it.</summary>
/// <param name="time">The clock.</param>
internal sealed class CountLimiter(TimeProvider time)
{
    /// <summary>At once, and then one more every <see cref="Each"/>. The CLI seldom asks.</summary>
    public const int Burst = 60;

    /// <summary>All of a run by one host.</summary>
    public const int Most = 5_000;

    /// <summary>How long until there is one more.</summary>
    public static readonly TimeSpan Each = TimeSpan.FromSeconds(1);

    // So that counting whole conversations again and again has an end too.
    private const long MostBytes = 1024L * 1024 * 1024;

    private readonly Lock gate = new();
    private double ready = Burst;
    private long refilled = time.GetTimestamp();
    private long taken;
    private long bytes;

    /// <summary>Takes one, where there is one.</summary>
    /// <param name="bodyBytes">What the request holds.</param>
    public bool TryTake(int bodyBytes)
    {
        lock (gate)
        {
            var now = time.GetTimestamp();
            ready = Math.Min(Burst, ready + (time.GetElapsedTime(refilled, now) / Each));
            refilled = now;
            if (ready < 1 || taken >= Most || bytes + bodyBytes > MostBytes)
            {
                return false;
            }

            ready--;
            taken++;
            bytes += bodyBytes;
            return true;
        }
    }
}
