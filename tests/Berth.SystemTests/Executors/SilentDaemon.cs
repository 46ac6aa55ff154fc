using System.Net.Sockets;

namespace Berth.SystemTests.Executors;

/// <summary>Something that takes connections on a socket and never answers.</summary>
internal sealed class SilentDaemon : IAsyncDisposable
{
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string path;

    internal SilentDaemon(string path)
    {
        this.path = path;
        listener.Bind(new UnixDomainSocketEndPoint(path));

        // Connections wait in the backlog: to who connects they are as good as taken.
        listener.Listen(backlog: 16);
    }

    internal string Host => $"unix://{path}";

    public ValueTask DisposeAsync()
    {
        listener.Dispose();
        File.Delete(path);
        return ValueTask.CompletedTask;
    }
}
