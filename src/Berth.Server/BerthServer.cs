using System.Data.Common;
using System.Net;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Storage;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Berth.Server.Access;
using Berth.Server.Api;
using Berth.Server.Compatibility;
using Berth.Server.Dispatch;
using Berth.Server.Logs;
using Berth.Server.Telemetry;
using Berth.Server.Webhooks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace Berth.Server;

/// <summary>How a server is started.</summary>
/// <param name="IsOpen">Whether nobody needs a token; on a loopback address only.</param>
/// <param name="LogAsJson">Whether the log is one JSON object a line.</param>
/// <param name="Announce">Takes what people should read once: the first token, and where it listens.</param>
internal sealed record ServerStart(bool IsOpen, bool LogAsJson, Action<string> Announce);

/// <summary>The server of a home, from its start to its end. Read this file first.</summary>
/// <remarks>
/// (1) Take the home: one server each. (2) Take up what an earlier one has left, before anything is accepted. (3)
/// Listen, and say where. (4) Give places to runs that wait, until somebody wants it to end. (5) Accept no more, and
/// let go of the runs: their supervisors keep them.
/// </remarks>
internal sealed partial class BerthServer(
    BerthEngine engine, BerthOptions options, ServerStart start, TimeProvider time)
{
    // The stores wait for the database on the thread that asks, and the pool makes new threads one by one.
    private const int LeastThreads = 64;
    private const string Listed = "docs/API.md lists the addresses.";
    private static readonly TimeSpan HeadersLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LetGoLimit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(1);

    // Of the 5 s in which it is to be gone, some are the process's own.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(4.5);

    private volatile bool isReady;
    private ServerTelemetry? telemetry;

    /// <summary>Runs until it is to stop.</summary>
    /// <exception cref="FailureException"><c>server_running</c>, <c>address_in_use</c>,
    /// <c>no_auth_not_local</c>.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        if (start.IsOpen && options.Server.Urls.FirstOrDefault(url => !url.IsLoopback) is { } far)
        {
            throw new FailureException(
                "no_auth_not_local",
                $"--no-auth was asked for, and {far} can be reached from other machines.",
                "Leave out --no-auth, or listen on http://127.0.0.1:PORT.",
                Fault.Operator);
        }

        ThreadPool.SetMinThreads(LeastThreads, LeastThreads);
        var keys = WebhookKeys.Read(options.Server.Webhooks);
        using var home = ServerLock.Take(options.Home); // (1)
        await engine.Queue.RefuseTwinsAsync(options.Server.Away, time, start.Announce, stop);
        await using var application = Build(keys, stop, out var dispatcher);
        await using var running = dispatcher;
        var log = application.Services.GetRequiredService<ILogger<BerthServer>>();

        // A database that cannot be written is found out before anything is accepted.
        engine.Audit.Add(new Caller("berth", Role.Admin), "server.start", runId: null, string.Empty);
        engine.Queue.RemoveStale(); // (2)
        LogRecovered(log, dispatcher.Recover());
        await using var webhooks = new WebhookSender(
            engine, options.Server.Webhooks, keys, time,
            application.Services.GetRequiredService<ILogger<WebhookSender>>());
        webhooks.Begin();
        await using var retention = new Retention(
            engine, options.Retention, time, application.Services.GetRequiredService<ILogger<Retention>>());
        retention.Begin();
        await ListenAsync(application, home); // (3)
        dispatcher.Begin(AddressOf(application)); // (4)
        isReady = true;
        var ended = new TaskCompletionSource();
        await using (stop.Register(ended.SetResult))
        {
            await ended.Task;
        }

        isReady = false; // (5)
        LogDrains(log);
        var began = time.GetTimestamp();
        using var close = new CancellationTokenSource(CloseLimit, time);
        await application.StopAsync(close.Token);
        await dispatcher.LetGoAsync(LetGoLimit);
        await (telemetry?.EndAsync(EndLimit - time.GetElapsedTime(began)) ?? Task.CompletedTask);
        Leave();
    }

    private void Leave()
    {
        try
        {
            engine.Queue.Leave();
        }
        catch (DbException)
        {
            // The database is away; whoever serves this home at another place next then watches for a while first.
        }
    }

    /// <summary>Puts it together; it does not listen yet.</summary>
    internal WebApplication Build(WebhookKeys keys, CancellationToken stop, out Dispatcher dispatcher)
    {
        // Nothing of the folder that it is started in, nor of variables that are not ours, steers it.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var certificate = ServerCertificate.Read(options.Server);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            certificate?.Configure(kestrel);
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = RequestBody.MostBytes;
            kestrel.Limits.MaxConcurrentConnections = ConnectionPlaces.Most;
            kestrel.Limits.RequestHeadersTimeout = HeadersLimit;
            var places = new ConnectionPlaces();
            kestrel.ConfigureEndpointDefaults(
                endpoint => endpoint.Use(next => connection => places.ServeAsync(connection, next)));
        })
            .UseUrls([.. options.Server.Urls.Select(url => url.AbsoluteUri)]);
        builder.Services.AddRoutingCore();
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning);
        AddLog(builder, keys);
        var application = builder.Build();
        var limits = new PlaceLimits(options.MaxConcurrent, options.Server.PerWorkflow, options.Server.PerRepository);
        var presence = new Presence(
            engine, options.Server.Away, time, application.Services.GetRequiredService<ILogger<Presence>>());
        telemetry = ServerTelemetry.StartIfWanted(
            engine, options, time, application.Services.GetRequiredService<ILogger<ServerTelemetry>>());
        dispatcher = new Dispatcher(
            engine, limits, presence, () => Capacity.Lacking(options) is null, time,
            application.Services.GetRequiredService<ILogger<Dispatcher>>())
        {
            Ended = telemetry is { } told ? told.Ended : null,
        };
        Route(application, dispatcher, new Forwarding(engine, presence, time), stop);
        return application;
    }

    private void AddLog(WebApplicationBuilder builder, WebhookKeys keys)
    {
        var redactor = new Redactor(
            [.. engine.Shown.OperatorSecrets, .. keys.Texts, .. ServerTelemetry.SecretsOf(options)]);
        builder.Services.AddSingleton<ConsoleFormatter>(new LogFormatter(start.LogAsJson, redactor, time));
        builder.Logging.AddConsole(console =>
        {
            console.FormatterName = LogFormatter.FormatName;
            console.LogToStandardErrorThreshold = LogLevel.Trace;

            // Whoever does not read the log holds up nobody: lines are dropped then, and the number is said.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
    }

    private void Route(
        WebApplication application, Dispatcher dispatcher, Forwarding forwarding, CancellationToken stop)
    {
        application.Lifetime.ApplicationStopped.Register(forwarding.Dispose);
        var log = application.Services.GetRequiredService<ILogger<BerthServer>>();
        var gatekeeper = new Gatekeeper(engine, start.IsOpen, time);
        Proxies.Heed(application, options.Server.Proxies);
        var requests = new RequestLog(time, log);
        application.Use(next => context => requests.AnswerAsync(context, next));
        application.Use(next => context => AnswerAsync(context, next, log));
        application.Use(next => context => HeadRequests.AnswerAsync(context, next));
        application.UseRouting();
        application.Use(next => context =>
        {
            gatekeeper.Admit(context);
            return next(context);
        });
        var service = new ServiceEndpoints(engine, () => isReady);
        service.MapHealth(application);
        DocumentEndpoints.Map(application);
        telemetry?.Map(application, options.Server.Metrics);
        var api = application.MapGroup("/api/v1");
        service.Map(api);
        new WorkflowEndpoints(engine).Map(api);
        var events = new EventStream(engine, forwarding, time);
        var access = new RunAccess(engine, forwarding, new RunOwners(engine, options.Server.RunsShared));
        new RunEndpoints(engine, options, dispatcher, events, access, stop).Map(api);
        new TalkEndpoints(engine, access).Map(api);
        new AgentEndpoints(engine, options, dispatcher, access, time).Map(api);
    }

    // Where the servers that share the database reach this one: any address is this machine's name to others.
    private Uri AddressOf(WebApplication application)
    {
        var bound = new Uri(application.Urls.First());
        return options.Server.Advertise
            ?? (IPAddress.TryParse(bound.Host.Trim('[', ']'), out var address)
                && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
                ? new UriBuilder(bound) { Host = Environment.MachineName }.Uri
                : bound);
    }

    private async Task ListenAsync(WebApplication application, ServerLock home)
    {
        try
        {
            await application.StartAsync();
        }
        catch (IOException taken)
        {
            throw new FailureException(
                "address_in_use",
                $"The server could not listen at {string.Join(", ", options.Server.Urls)}: {taken.Message}",
                "Choose another address with --urls.",
                Fault.Operator,
                taken);
        }

        home.Write(new ServerPresence(ProcessIdentity.Of(Environment.ProcessId)!, [.. application.Urls]));
        start.Announce($"Berth listens at {string.Join(", ", application.Urls)}.");
        if (!start.IsOpen && engine.Tokens.CreateFirst("admin") is { } first)
        {
            // Only now: one made for a server that did not come to listen would never be seen.
            start.Announce($"The admin's token, which is shown this once: {first.Token}");
        }
    }

    // The boundary of a request: whatever happens in it ends here.
    private static async Task AnswerAsync(HttpContext context, RequestDelegate next, ILogger log)
    {
        try
        {
            await next(context);
            if (!context.Response.HasStarted && context.Response.StatusCode >= StatusCodes.Status400BadRequest
                && context.Response.ContentType is null)
            {
                await Problem.WriteAsync(context, Unanswered(context));
            }
        }
        catch (FailureException failed) when (!context.Response.HasStarted)
        {
            context.Response.Clear();
            await Problem.WriteAsync(context, failed.Failure);
        }
        catch (DbException database) when (!context.Response.HasStarted)
        {
            LogDatabase(log, RequestLog.RouteOf(context), database.Message);
            context.Response.Clear();
            await Problem.WriteAsync(context, DatabaseFailures.Of(database));
        }
        catch (BadHttpRequestException bad) when (!context.Response.HasStarted)
        {
            await Problem.WriteAsync(
                context,
                bad.StatusCode == StatusCodes.Status413PayloadTooLarge
                    ? RequestBody.TooLarge().Failure
                    : new Failure("request_invalid", "The request is not valid HTTP.", string.Empty, Fault.User));
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Whoever asked has gone.
        }
        catch (OperationCanceledException) when (context.Response.HasStarted)
        {
            // The server ends, and a stream with it; its reader goes on where it was at the next one.
        }
        catch (Exception defect)
        {
            using var scope = RequestLog.Scope(log, context);
            LogDefect(log, RequestLog.RouteOf(context), defect);
            if (context.Response.HasStarted)
            {
                context.Abort();
                return;
            }

            context.Response.Clear();
            await Problem.WriteAsync(context, new Failure(
                "internal_error",
                "Berth itself failed.",
                "The server's log says more; please report it.",
                Fault.Berth));
        }
    }

    private static Failure Unanswered(HttpContext context) =>
        context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed
            ? new("method_not_allowed", "That cannot be done with this address.", Listed, Fault.User)
            : new("not_found", "There is nothing at this address.", Listed, Fault.User);

    [LoggerMessage(10, LogLevel.Information, "{Count} runs of before were taken up")]
    private static partial void LogRecovered(ILogger log, int count);

    [LoggerMessage(11, LogLevel.Information, "ending; the runs go on under their supervisors")]
    private static partial void LogDrains(ILogger log);

    [LoggerMessage(12, LogLevel.Error, "a request to {Route} failed")]
    private static partial void LogDefect(ILogger log, string route, Exception defect);

    [LoggerMessage(13, LogLevel.Warning, "the database could not answer a request to {Route}: {Message}")]
    private static partial void LogDatabase(ILogger log, string route, string message);
}
