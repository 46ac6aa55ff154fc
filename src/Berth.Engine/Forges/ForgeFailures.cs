using System.Globalization;
using System.Net;
using Berth.Protocol;

namespace Berth.Engine.Forges;

/// <summary>Why there is no pull request. In each case the branch is pushed.</summary>
internal static class ForgeFailures
{
    private const string Sso = "x-github-sso";
    private const string Began = "Delivery failed: the branch is pushed, and ";

    /// <summary>The headers that these read.</summary>
    public static readonly string[] HeadersRead = [Sso, "x-accepted-github-permissions", "x-accepted-oauth-scopes"];

    /// <summary>The service said no.</summary>
    public static FailureException Refused(Forge forge, ForgeAnswer answer)
    {
        var status = (int)answer.Status;
        return IsSso(answer)
            ? new FailureException(
                "pull_request_sso_required",
                $"{Began}{forge.Api.Host} refused the pull request ({status}): the organization uses single sign-on "
                    + $"(SAML), and the token is not authorized for it. {answer.Message}",
                SsoHint(answer.Headers[Sso]),
                Fault.Operator)
            : new FailureException(
                "pull_request_refused",
                $"{Began}{forge.Api.Host} refused the pull request ({status}): {answer.Message}",
                HintOf(forge, answer),
                Fault.Operator);
    }

    /// <summary>The service sends its caller to a place that the token is not for.</summary>
    public static FailureException Moved(Forge forge, HttpStatusCode status, Uri? place) => new(
        "pull_request_refused",
        $"{Began}{forge.Api.Host} answered {(int)status}: {forge.Repository} has moved to "
            + $"{(place is null ? "a place that it does not name" : Shown(place))}. The token is sent only to "
            + $"{forge.Api.GetLeftPart(UriPartial.Authority)}.",
        "If the repository belongs there, set the remote's new URL (git remote set-url) and write its host, token and "
            + "api into the file of git credentials.",
        Fault.Operator);

    /// <summary>The service redirects in a circle.</summary>
    public static FailureException Circle(Forge forge, int hops, Uri place) => new(
        "pull_request_refused",
        $"{Began}{forge.Api.Host} redirected more than {hops} times, last to {Shown(place)}.",
        "Is the api in the file of git credentials right?",
        Fault.Operator);

    /// <summary>The service did not answer, or not in a way that makes sense.</summary>
    public static FailureException Unreachable(Forge forge, string why) => new(
        "pull_request_unreachable",
        $"{Began}{forge.Api.Host} could not be asked for a pull request: {why}.",
        "Wait until the service is there.",
        Fault.Nobody);

    /// <summary>The service wants a longer wait than a run can make.</summary>
    /// <param name="forge">The service.</param>
    /// <param name="until">When it may be asked again.</param>
    /// <param name="wait">How long that is from now.</param>
    public static FailureException RateLimited(Forge forge, DateTimeOffset until, TimeSpan wait) => new(
        "pull_request_rate_limited",
        $"{Began}the rate limit of {forge.Api.Host} is used up until {Time(until)}, "
            + string.Create(CultureInfo.InvariantCulture, $"in {Math.Ceiling(wait.TotalMinutes)} minutes."),
        $"Wait until {Time(until)}.",
        Fault.Nobody);

    /// <summary>A time as messages say it.</summary>
    public static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>An address without what could be a secret in it.</summary>
    public static string Shown(Uri place) =>
        $"{place.Scheme}://{place.Authority}{place.AbsolutePath}";

    // The same header lists, with partial-results, organizations that a good answer left out.
    private static bool IsSso(ForgeAnswer answer) =>
        answer.Headers.TryGetValue(Sso, out var sso) && sso.StartsWith("required", StringComparison.OrdinalIgnoreCase);

    private static string SsoHint(string header)
    {
        var at = header.IndexOf("url=", StringComparison.OrdinalIgnoreCase);
        var place = at >= 0 && Uri.TryCreate(header[(at + 4)..].Trim(), UriKind.Absolute, out var url)
            && url.Scheme is "https" or "http"
                ? url
                : null;
        return place is null
            ? "Authorize the token for the organization: at GitHub under Settings, Developer settings, Configure SSO."
            : $"Open {place.AbsoluteUri} in a browser, signed in as the token's owner, and authorize the token.";
    }

    private static string HintOf(Forge forge, ForgeAnswer answer)
    {
        var wanted = answer.Headers.GetValueOrDefault("x-accepted-github-permissions")
            ?? answer.Headers.GetValueOrDefault("x-accepted-oauth-scopes");
        return answer.Status switch
        {
            HttpStatusCode.Unauthorized =>
                $"Put a token that has not expired for {forge.Api.Host} into the file of git credentials.",
            HttpStatusCode.Forbidden when !string.IsNullOrWhiteSpace(wanted) =>
                $"Give the token what the service asks for: {wanted}.",
            HttpStatusCode.NotFound =>
                $"Is there a repository {forge.Repository}, and may the token see it and open pull requests?",
            _ => "May the token of the host open pull requests, and is there no rule against this one?",
        };
    }
}
