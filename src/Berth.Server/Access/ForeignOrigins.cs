using Berth.Protocol;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Access;

/// <summary>Refuses what a page of another site has somebody's browser ask (cross-site request forgery).</summary>
/// <remarks>
/// A browser says with each request where it comes from, and no script can change that: <c>Sec-Fetch-Site</c>, or
/// <c>Origin</c> where it is older. Other programs send neither. Reading is refused too: an answer stays hidden from
/// the page, but events that nobody reads hold places. A link that somebody follows is his own wish.
/// </remarks>
internal static class ForeignOrigins
{
    private const string Site = "Sec-Fetch-Site";
    private const string Mode = "Sec-Fetch-Mode";
    private const string Place = "Sec-Fetch-Dest";

    /// <summary>Refuses a request of a page of another site.</summary>
    /// <param name="context">The request.</param>
    /// <param name="isOpen">Whether nobody needs a token. Then a proxy that changes the name has no business here, and
    /// both headers have to agree.</param>
    /// <exception cref="FailureException"><c>origin_foreign</c>.</exception>
    public static void Refuse(HttpContext context, bool isOpen)
    {
        var request = context.Request;
        var isForeign = request.Headers[Site] switch
        {
            [] => !IsOriginOurs(request),
            ["same-origin" or "none"] => isOpen && !IsOriginOurs(request),
            _ => !IsFollowedLink(request),
        };
        if (isForeign)
        {
            throw new FailureException(
                "origin_foreign",
                "The request was made by a page of another site, in the browser of somebody who may ask this server.",
                "Ask the server by a program, or from its own page.",
                Fault.User);
        }
    }

    private static bool IsOriginOurs(HttpRequest request) => request.Headers.Origin switch
    {
        [] => true,
        [{ } origin] => Uri.TryCreate(origin, UriKind.Absolute, out var url)
            && url.Scheme is "http" or "https"
            && string.Equals(url.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase),
        _ => false,
    };

    private static bool IsFollowedLink(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && request.Headers.Origin.Count == 0
        && request.Headers[Mode] is ["navigate"] && request.Headers[Place] is ["document"];
}
