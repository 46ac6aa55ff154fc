using System.Net;

namespace Berth.Server.Access;

/// <summary>Counts wrong tokens by where they come from, so that nobody can try many.</summary>
/// <remarks>
/// An address may be wrong ten times, and gains one try every six seconds. A good token is not held up by wrong ones
/// of its address, for others may share that.
/// </remarks>
internal sealed class FailedTokens(TimeProvider time)
{
    private const int MostTries = 10;
    private const int MostAddresses = 10_000;
    private static readonly TimeSpan OneTry = TimeSpan.FromSeconds(6);

    private readonly Lock gate = new();
    private readonly Dictionary<string, (double Tries, long At)> addresses = new(StringComparer.Ordinal);

    /// <summary>Whether an address has to wait.</summary>
    public bool IsBarred(IPAddress? address)
    {
        lock (gate)
        {
            return TriesOf(ConnectionPlaces.KeyOf(address)) > MostTries - 1;
        }
    }

    /// <summary>Counts a wrong token.</summary>
    public void Add(IPAddress? address)
    {
        lock (gate)
        {
            var key = ConnectionPlaces.KeyOf(address);
            if (addresses.Count >= MostAddresses && !addresses.ContainsKey(key))
            {
                Forget();
            }

            addresses[key] = (TriesOf(key) + 1, time.GetTimestamp());
        }
    }

    // Those that have waited longest; where none has waited enough, all: the bound on memory goes first.
    private void Forget()
    {
        var over = addresses.Keys.Where(key => TriesOf(key) <= 0).ToList();
        foreach (var key in over)
        {
            addresses.Remove(key);
        }

        if (over.Count == 0)
        {
            addresses.Clear();
        }
    }

    private double TriesOf(string key) => addresses.TryGetValue(key, out var known)
        ? Math.Max(0, known.Tries - (time.GetElapsedTime(known.At) / OneTry))
        : 0;
}
