using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace Berth.Engine.Docker;

/// <summary>A request to the daemon.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">The path and query, without a slash in front; escaped.</param>
/// <param name="Limit">How long all of it may take.</param>
internal sealed record DockerRequest(HttpMethod Method, string Path, TimeSpan Limit)
{
    /// <summary>The body as JSON; empty for none.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>For messages: without the query, which may be long.</summary>
    public override string ToString() => $"{Method} /{Path.Split('?')[0]}";
}

/// <summary>Its answer.</summary>
internal sealed record DockerAnswer(HttpStatusCode Status, ReadOnlyMemory<byte> Body);

/// <summary>HTTP over the daemon's socket.</summary>
internal sealed class DockerTransport : IDisposable
{
    // A list of a thousand containers has about 2 MiB.
    private const int MostAnswerBytes = 16 * 1024 * 1024;
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(3);

    // Nobody disposes of a client at the end of a command; a connection that nobody uses closes by itself.
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(5);

    private readonly HttpClient http;
    private readonly TimeProvider time;

    internal DockerTransport(DockerEndpoint endpoint, TimeProvider time)
    {
        Endpoint = endpoint;
        this.time = time;
        http = new HttpClient(
            new SocketsHttpHandler
            {
                ConnectCallback = ConnectAsync,
                ConnectTimeout = ConnectLimit,
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                MaxResponseHeadersLength = 64,
                PooledConnectionIdleTimeout = IdleLimit,
            },
            disposeHandler: true)
        {
            BaseAddress = endpoint.BaseAddress,
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Where the daemon is.</summary>
    internal DockerEndpoint Endpoint { get; }

    /// <summary>Sends a body as it is made, and reads the answer line by line.</summary>
    /// <exception cref="Berth.Protocol.FailureException">Nobody answered, or not to the end.</exception>
    internal async Task StreamAsync(
        DockerRequest request, Func<Stream, CancellationToken, Task> body, Action<string> line,
        CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(request.Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        using var message = new HttpRequestMessage(request.Method, request.Path)
        {
            Content = new MadeContent(stream => body(stream, either.Token)),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-tar");
        try
        {
            using var response = await http.SendAsync(
                message, HttpCompletionOption.ResponseHeadersRead, either.Token);
            await using var answer = await response.Content.ReadAsStreamAsync(either.Token);
            using var reader = new StreamReader(answer);
            while (await reader.ReadLineAsync(either.Token) is { } text)
            {
                line(text);
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw DockerFailures.NotAnswering(Endpoint, request.ToString(), request.Limit);
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException or SocketException)
        {
            throw DockerFailures.Unreachable(Endpoint, failed);
        }
    }

    /// <summary>Asks, and reads the whole answer.</summary>
    /// <exception cref="Berth.Protocol.FailureException">Nobody answered.</exception>
    internal async Task<DockerAnswer> AskAsync(DockerRequest request, CancellationToken cancel)
    {
        RefuseDefect();
        using var message = new HttpRequestMessage(request.Method, request.Path);
        if (!request.Body.IsEmpty)
        {
            message.Content = new ReadOnlyMemoryContent(request.Body);
            message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        using var limit = new CancellationTokenSource(request.Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            using var response = await http.SendAsync(
                message, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return new DockerAnswer(response.StatusCode, await ReadAsync(request, response, either.Token));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw DockerFailures.NotAnswering(Endpoint, request.ToString(), request.Limit);
        }
        catch (HttpRequestException failed) when (failed.HttpRequestError is HttpRequestError.InvalidResponse)
        {
            throw DockerFailures.NotUnderstood(Endpoint, request.ToString(), failed);
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException or SocketException)
        {
            throw DockerFailures.Unreachable(Endpoint, failed);
        }
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose() => http.Dispose();

    private void RefuseDefect()
    {
        if (Endpoint.Defect is { } defect)
        {
            throw new Berth.Protocol.FailureException(defect);
        }
    }

    private async Task<ReadOnlyMemory<byte>> ReadAsync(
        DockerRequest request, HttpResponseMessage response, CancellationToken cancel)
    {
        await using var body = await response.Content.ReadAsStreamAsync(cancel);
        using var kept = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (await body.ReadAsync(buffer, cancel) is > 0 and var count)
        {
            await kept.WriteAsync(buffer.AsMemory(0, count), cancel);
            if (kept.Length > MostAnswerBytes)
            {
                throw DockerFailures.NotUnderstood(Endpoint, request.ToString());
            }
        }

        return kept.GetBuffer().AsMemory(0, (int)kept.Length);
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var socket = Endpoint.Socket is not null
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            EndPoint place = Endpoint.Socket is { } path
                ? new UnixDomainSocketEndPoint(path)
                : new DnsEndPoint(Endpoint.Host, Endpoint.Port);
            await socket.ConnectAsync(place, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A body that is written while it is sent, so that its length is not known before.</summary>
    private sealed class MadeContent(Func<Stream, Task> write) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => write(stream);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
