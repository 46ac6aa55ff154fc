using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Berth.SystemTests.Server;

/// <summary>What somebody sent.</summary>
internal sealed record Received(string Path, IReadOnlyDictionary<string, string> Headers, ReadOnlyMemory<byte> Body);

/// <summary>Somebody on this machine who is sent things, and keeps them.</summary>
internal sealed class LoopbackReceiver : IAsyncDisposable
{
    private readonly ConcurrentQueue<Received> requests = new();
    private readonly Func<int, HttpContext, Task> answer;
    private readonly WebApplication application;
    private int count;

    private LoopbackReceiver(Func<int, HttpContext, Task> answer, HttpProtocols protocols)
    {
        this.answer = answer;
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore()
            .ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(each => each.Protocols = protocols))
            .UseUrls("http://127.0.0.1:0");
        application = builder.Build();
        application.Run(TakeAsync);
    }

    /// <summary>Where it listens.</summary>
    public Uri Url => new(application.Urls.Single());

    /// <summary>What came.</summary>
    public IReadOnlyList<Received> Requests => [.. requests];

    /// <summary>Starts one.</summary>
    /// <param name="cancel">Gives up.</param>
    /// <param name="protocols">What it speaks.</param>
    /// <param name="answer">How it answers, by the number of the request from 1 on. Default: 200.</param>
    public static async Task<LoopbackReceiver> StartAsync(
        CancellationToken cancel, Func<int, HttpContext, Task>? answer = null,
        HttpProtocols protocols = HttpProtocols.Http1)
    {
        var receiver = new LoopbackReceiver(answer ?? ((_, _) => Task.CompletedTask), protocols);
        await receiver.application.StartAsync(cancel);
        return receiver;
    }

    public ValueTask DisposeAsync() => application.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var headers = context.Request.Headers.ToDictionary(
            header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        requests.Enqueue(new Received(context.Request.Path, headers, body.ToArray()));
        await answer(Interlocked.Increment(ref count), context);
    }
}
