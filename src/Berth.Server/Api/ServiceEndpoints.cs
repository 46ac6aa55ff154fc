using System.Reflection;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Claude;
using Berth.Server.Access;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Berth.Server.Api;

/// <summary>The server itself: whether it lives and is ready, and what it can do.</summary>
internal sealed class ServiceEndpoints(BerthEngine engine, Func<bool> isReady)
{
    /// <summary>Adds those for whoever watches the process.</summary>
    public void MapHealth(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/healthz", context => HealthAsync(context, isGood: true));
        routes.MapGet("/readyz", context => HealthAsync(context, isReady()));
    }

    /// <summary>Adds the others.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/version", VersionAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet("/budgets", BudgetsAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet("/executors", ExecutorsAsync).WithMetadata(new NeedsRole(Role.Viewer));
    }

    private static Task HealthAsync(HttpContext context, bool isGood)
    {
        context.Response.StatusCode = isGood ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        var health = new ServerHealth(isGood ? "ok" : "draining");
        return Answer.JsonAsync(context, health, ApiJson.Readable.ServerHealth);
    }

    private static Task VersionAsync(HttpContext context)
    {
        var version = typeof(BerthEngine).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? string.Empty;
        return Answer.JsonAsync(
            context, new ServerVersion(version, PinnedClaude.Version), ApiJson.Readable.ServerVersion);
    }

    private Task BudgetsAsync(HttpContext context) =>
        Answer.JsonAsync(context, engine.Budgets(), ApiJson.Readable.BudgetReport);

    private async Task ExecutorsAsync(HttpContext context) => await Answer.JsonAsync(
        context, await engine.Places.ProbeAsync(context.RequestAborted), ApiJson.Readable.IReadOnlyListExecutorProbe);
}
