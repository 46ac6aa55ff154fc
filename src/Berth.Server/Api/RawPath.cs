using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Berth.Server.Api;

/// <summary>The address of a request as it was sent.</summary>
/// <remarks>
/// Routing leaves <c>%2F</c> as it stands and decodes all else, so that a name with a slash that a generated client has
/// encoded cannot be told from a name that has <c>%2F</c> in it. Here it can.
/// </remarks>
internal static class RawPath
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>What stands behind a part of the path, decoded; null where that is not to be found, or is no text.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="part">The part, such as <c>/artifacts/</c>.</param>
    public static string? After(HttpContext context, string part)
    {
        var path = Of(context);
        var at = path.IndexOf(part, StringComparison.Ordinal);
        return at < 0 ? null : Decoded(path[(at + part.Length)..]);
    }

    /// <summary>The path, encoded as it came, and without the query.</summary>
    public static string Of(HttpContext context)
    {
        var target = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? string.Empty;

        // A proxy's client names the whole address.
        var scheme = target.IndexOf("://", StringComparison.Ordinal);
        var from = target.StartsWith('/') || scheme < 0 ? 0 : target.IndexOf('/', scheme + 3);
        var path = from < 0 ? string.Empty : target[from..];
        var query = path.IndexOf('?', StringComparison.Ordinal);
        return query < 0 ? path : path[..query];
    }

    private static string? Decoded(string text)
    {
        var bytes = new List<byte>(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is not '%')
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text[at].ToString()));
            }
            else if (at + 2 < text.Length && byte.TryParse(
                text.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            {
                bytes.Add(value);
                at += 2;
            }
            else
            {
                return null;
            }
        }

        try
        {
            return Strict.GetString([.. bytes]);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
