using System.Collections.Concurrent;
using Berth.Engine.Network;

namespace Berth.SystemTests.Network;

/// <summary>Remembers what a proxy tells.</summary>
internal sealed class SeenConnections : IProxyObserver
{
    internal ConcurrentQueue<ProxyConnection> Passes { get; } = new();

    internal ConcurrentQueue<ProxyRefusal> Refusals { get; } = new();

    public void Passed(ProxyConnection connection) => Passes.Enqueue(connection);

    public void Refused(ProxyRefusal refusal) => Refusals.Enqueue(refusal);
}
