using System.Net;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Protocol;
using Berth.Server.Api;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Access;

/// <summary>What an endpoint asks of its caller. One without this is anybody's.</summary>
/// <param name="Role">The least role.</param>
internal sealed record NeedsRole(Role Role);

/// <summary>Lets in who belongs, as far as his role goes.</summary>
internal sealed class Gatekeeper(BerthEngine engine, bool isOpen, TimeProvider time)
{
    private const string Bearer = "Bearer ";
    private static readonly Caller Anybody = new("anybody", Role.Admin);
    private readonly FailedTokens failures = new(time);

    /// <summary>Who asks. Only behind <see cref="Admit"/>.</summary>
    public static Caller CallerOf(HttpContext context) => (Caller)context.Items[typeof(Caller)]!;

    /// <summary>The name of who asked, or <c>nobody</c>.</summary>
    public static string NameOf(HttpContext context) => (context.Items[typeof(Caller)] as Caller)?.Name ?? "nobody";

    /// <summary>Checks a request against what its endpoint asks for.</summary>
    /// <exception cref="FailureException"><c>token_missing</c>, <c>token_invalid</c>, <c>role_too_low</c>,
    /// <c>too_many_failures</c>, <c>host_not_local</c>, <c>origin_foreign</c>,
    /// <c>connections_too_many</c>.</exception>
    public void Admit(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<NeedsRole>() is not { } needed)
        {
            return;
        }

        Leaving.Begin(context, engine);
        ForeignOrigins.Refuse(context, isOpen);
        var caller = isOpen ? Neighbour(context) : Recognise(context);

        context.Features.Get<IConnectionPlace>()?.Prove();

        // Known from here on, so that the log says who was refused, too.
        context.Items[typeof(Caller)] = caller;
        Demand(context, needed.Role);
    }

    /// <summary>Refuses who may not do so much. Only behind <see cref="Admit"/>.</summary>
    /// <exception cref="FailureException"><c>role_too_low</c>.</exception>
    public static void Demand(HttpContext context, Role role)
    {
        var caller = CallerOf(context);
        if (caller.Role < role)
        {
            throw new FailureException(
                "role_too_low",
                $"The token {caller.Name} is a {caller.Role.ToString().ToLowerInvariant()}'s, and this takes "
                    + $"an {role.ToString().ToLowerInvariant()}'s.",
                "Ask with another token.",
                Fault.User);
        }
    }

    // A page of the web can have the browser of this machine ask us, under a name of its own that leads here.
    private static Caller Neighbour(HttpContext context) =>
        string.Equals(context.Request.Host.Host, "localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(context.Request.Host.Host.Trim('[', ']'), out var named) && IPAddress.IsLoopback(named))
            ? Anybody
            : throw new FailureException(
                "host_not_local",
                "The server asks nobody for a token, and was asked by a name that is not this machine's own.",
                "Ask it as http://127.0.0.1:PORT or http://localhost:PORT, or start it without --no-auth.",
                Fault.User);

    private Caller Recognise(HttpContext context)
    {
        var token = TokenOf(context.Request) ?? throw new FailureException(
            "token_missing",
            "The request has no token.",
            "Send the header Authorization: Bearer TOKEN, or x-api-key: TOKEN; berth token create makes one.",
            Fault.User);
        if (engine.Tokens.Find(token) is { } caller)
        {
            return caller;
        }

        var address = context.Connection.RemoteIpAddress;
        if (failures.IsBarred(address))
        {
            throw new FailureException(
                "too_many_failures",
                "Too many wrong tokens came from this address.",
                "Wait a few seconds, and send a token that is good.",
                Fault.User);
        }

        failures.Add(address);
        throw new FailureException(
            "token_invalid",
            "The token is not one of this server's, or was revoked.",
            "berth token create, on the server's machine, makes another.",
            Fault.User);
    }

    private static string? TokenOf(HttpRequest request)
    {
        if (request.Headers["x-api-key"] is [{ Length: > 0 } key])
        {
            return key;
        }

        return request.Headers.Authorization is [{ } header]
            && header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            ? header[Bearer.Length..].Trim()
            : null;
    }
}
