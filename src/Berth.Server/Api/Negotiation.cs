using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Berth.Server.Api;

/// <summary>Which of several forms of an answer a request likes best (RFC 9110, 12.5).</summary>
internal static class Negotiation
{
    /// <summary>Chooses a media type, and says in <c>Vary</c> that it was chosen.</summary>
    /// <remarks>
    /// The quality counts first, then the place in the header, then the place in the offers. Who accepts none of them
    /// is given the first all the same, as who says nothing.
    /// </remarks>
    /// <param name="context">The request.</param>
    /// <param name="offers">What there is; the first is the usual one.</param>
    public static string Choose(HttpContext context, params ReadOnlySpan<string> offers)
    {
        context.Response.Headers.Vary = StringValues.Concat(context.Response.Headers.Vary, HeaderNames.Accept);
        if (!MediaTypeHeaderValue.TryParseList(context.Request.Headers.Accept, out var ranges))
        {
            return offers[0];
        }

        var (best, quality, place) = (offers[0], 0.0, int.MaxValue);
        foreach (var offer in offers)
        {
            var (offered, at) = QualityOf(MediaTypeHeaderValue.Parse(offer), ranges);
            if (offered > quality || (offered > 0 && offered == quality && at < place))
            {
                (best, quality, place) = (offer, offered, at);
            }
        }

        return best;
    }

    /// <summary>Whether an encoding of the answer may be used.</summary>
    public static bool TakesEncoding(HttpRequest request, string encoding) =>
        StringWithQualityHeaderValue.TryParseList(request.Headers.AcceptEncoding, out var list)
        && (list.FirstOrDefault(each => each.Value.Equals(encoding, StringComparison.OrdinalIgnoreCase))
            ?? list.FirstOrDefault(each => each.Value.Equals("*", StringComparison.Ordinal))) is { } found
        && (found.Quality ?? 1) > 0;

    // The narrowest range that covers it decides, wherever it stands.
    private static (double Quality, int Place) QualityOf(
        MediaTypeHeaderValue offer, IList<MediaTypeHeaderValue> ranges)
    {
        var (narrowest, quality, place) = (-1, 0.0, int.MaxValue);
        for (var at = 0; at < ranges.Count; at++)
        {
            var range = ranges[at];
            var narrowness = range.MatchesAllTypes ? 0 : range.MatchesAllSubTypes ? 1 : 2;
            if (narrowness > narrowest && offer.IsSubsetOf(new MediaTypeHeaderValue(range.MediaType)))
            {
                (narrowest, quality, place) = (narrowness, range.Quality ?? 1, at);
            }
        }

        return (quality, place);
    }
}
