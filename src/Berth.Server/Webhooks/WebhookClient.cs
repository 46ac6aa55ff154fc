using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Berth.Engine.Network;
using Berth.Engine.Webhooks;

namespace Berth.Server.Webhooks;

/// <summary>What came of a try.</summary>
/// <param name="IsTaken">Whether the receiver has the message.</param>
/// <param name="IsFinal">Whether there is no sense in trying again.</param>
/// <param name="Words">What happened, for the log.</param>
internal sealed record WebhookAnswer(bool IsTaken, bool IsFinal, string Words);

/// <summary>Sends messages to receivers, of which nothing is believed.</summary>
/// <remarks>
/// The address that is connected to is judged, and not the name: whoever owns the name could have it mean another
/// machine a moment later. No redirect is followed, no proxy asked, no cookie kept, and of what a receiver answers only
/// the status counts.
/// </remarks>
internal sealed class WebhookClient : IDisposable
{
    /// <summary>How long one try may take in all.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>How many messages are under way to one receiver.</summary>
    public const int MostAtOnce = 4;

    private const int MostHeaderKibi = 16;
    private const int MostIgnored = 16 * 1024;
    private const int MostTried = 4;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan NameLimit = TimeSpan.FromMinutes(2);
    private static readonly ProductInfoHeaderValue Agent = new("Berth", null);

    private readonly WebhookKeys keys;
    private readonly AddressGuard guard;
    private readonly TimeProvider time;
    private readonly HttpClient http;

    public WebhookClient(WebhookOptions options, WebhookKeys keys, TimeProvider time)
    {
        (this.keys, this.time) = (keys, time);
        guard = new AddressGuard(options.Private);
        http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            ConnectCallback = ConnectAsync,
            MaxConnectionsPerServer = MostAtOnce * 2,
            MaxResponseHeadersLength = MostHeaderKibi,
            MaxResponseDrainSize = MostIgnored,
            ResponseDrainTimeout = TimeSpan.FromSeconds(1),
            PooledConnectionIdleTimeout = IdleLimit,
            PooledConnectionLifetime = NameLimit,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Tries once.</summary>
    public async Task<WebhookAnswer> SendAsync(WebhookReceiver receiver, WebhookMessage message, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        using var request = new HttpRequestMessage(HttpMethod.Post, receiver.Url);
        request.Headers.UserAgent.Add(Agent);
        request.Headers.Add("webhook-id", message.Id);
        request.Headers.Add("webhook-timestamp", now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("webhook-signature", keys.Sign(message.Id, now, message.Body));
        request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(message.Body));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        try
        {
            using var response = await http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return new WebhookAnswer(
                response.IsSuccessStatusCode,
                response.StatusCode == HttpStatusCode.Gone,
                string.Create(CultureInfo.InvariantCulture, $"it answered {(int)response.StatusCode}"));
        }
        catch (HttpRequestException failed)
        {
            return new WebhookAnswer(
                IsTaken: false, IsFinal: false, failed.InnerException is PrivateAddressException inner
                    ? inner.Message
                    : $"it could not be reached ({failed.HttpRequestError})");
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return new WebhookAnswer(
                IsTaken: false, IsFinal: false, $"it did not answer within {Limit.TotalSeconds} s");
        }
    }

    public void Dispose() => http.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var (host, port) = (context.DnsEndPoint.Host, context.DnsEndPoint.Port);
        var addresses = IPAddress.TryParse(host, out var named)
            ? [named]
            : await Dns.GetHostAddressesAsync(host, cancel);
        var permitted = addresses.Where(guard.Permits).Take(MostTried).ToArray();
        if (permitted.Length == 0 && addresses.Length > 0)
        {
            throw new PrivateAddressException(addresses[0]);
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(permitted, port, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>All addresses of a receiver are inner ones.</summary>
    private sealed class PrivateAddressException(IPAddress address) : IOException(
        $"it is {address}, an address inside a machine or a network, which BERTH_WEBHOOK_PRIVATE does not permit");
}
