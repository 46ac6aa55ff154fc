using System.Net;
using System.Net.Sockets;
using Berth.Protocol;
using Microsoft.AspNetCore.Connections;

namespace Berth.Server.Access;

/// <summary>Keeps places free for callers with a token, and for those who ask how the server is.</summary>
/// <remarks>
/// A connection is unproven until a request on it had a good token. Of these there are few places, and where they are
/// full a new connection takes that of the oldest from the address that has most of them. So whoever opens thousands
/// and says nothing shuts out himself: a caller with a token is proven within milliseconds, and keeps his place. There
/// is no bound for an address as such, for all callers may come by one proxy.
/// </remarks>
internal sealed class ConnectionPlaces
{
    /// <summary>Connections that no token has come by.</summary>
    public const int MostUnproven = 512;

    /// <summary>Connections of callers with a token: a thousand readers of events, and as many others.</summary>
    public const int MostProven = 4000;

    /// <summary>All; with room for those that are being closed.</summary>
    public const int Most = MostProven + (2 * MostUnproven);

    private readonly Lock gate = new();
    private readonly Dictionary<string, LinkedList<Place>> unproven = new(StringComparer.Ordinal);
    private int unprovenCount;
    private int provenCount;

    /// <summary>Serves a connection in its place.</summary>
    public async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var place = new Place(this, connection, KeyOf((connection.RemoteEndPoint as IPEndPoint)?.Address));
        connection.Features.Set<IConnectionPlace>(place);
        Enter(place)?.Connection.Abort(new ConnectionAbortedException("Another connection needs the place."));
        try
        {
            await next(connection);
        }
        finally
        {
            Leave(place);
        }
    }

    /// <summary>What connections are counted by: a customer of IPv6 has a whole network of 64 bits.</summary>
    public static string KeyOf(IPAddress? address)
    {
        const int NetworkBytes = 8;
        return address switch
        {
            null => string.Empty,
            { IsIPv4MappedToIPv6: true } => address.MapToIPv4().ToString(),
            { AddressFamily: AddressFamily.InterNetworkV6 } =>
                Convert.ToHexString(address.GetAddressBytes().AsSpan(0, NetworkBytes)),
            _ => address.ToString(),
        };
    }

    private Place? Enter(Place place)
    {
        lock (gate)
        {
            if (!unproven.TryGetValue(place.Key, out var same))
            {
                unproven[place.Key] = same = new LinkedList<Place>();
            }

            same.AddLast(place.Node);
            if (++unprovenCount <= MostUnproven)
            {
                return null;
            }

            var victim = unproven.Values.MaxBy(places => places.Count)!.First!.Value;
            Remove(victim);
            return victim;
        }
    }

    private void Prove(Place place)
    {
        lock (gate)
        {
            if (place.IsProven)
            {
                return;
            }

            if (provenCount >= MostProven)
            {
                throw new FailureException(
                    "connections_too_many",
                    $"{MostProven} connections of callers with a token are open, and no more may be.",
                    "Close some, or try again later.",
                    Fault.Nobody);
            }

            Remove(place);
            place.IsProven = true;
            provenCount++;
        }
    }

    private void Leave(Place place)
    {
        lock (gate)
        {
            provenCount -= place.IsProven ? 1 : 0;
            Remove(place);
        }
    }

    private void Remove(Place place)
    {
        if (place.Node.List is { } same)
        {
            same.Remove(place.Node);
            unprovenCount--;
            if (same.Count == 0)
            {
                unproven.Remove(place.Key);
            }
        }
    }

    private sealed class Place : IConnectionPlace
    {
        private readonly ConnectionPlaces places;

        public Place(ConnectionPlaces places, ConnectionContext connection, string key)
        {
            (this.places, Connection, Key) = (places, connection, key);
            Node = new LinkedListNode<Place>(this);
        }

        public ConnectionContext Connection { get; }

        public string Key { get; }

        public LinkedListNode<Place> Node { get; }

        public bool IsProven { get; set; }

        public void Prove() => places.Prove(this);
    }
}

/// <summary>The place of a connection, as requests on it find it among its features.</summary>
internal interface IConnectionPlace
{
    /// <summary>Keeps the place: a good token has come by this connection.</summary>
    /// <exception cref="FailureException"><c>connections_too_many</c>.</exception>
    void Prove();
}
