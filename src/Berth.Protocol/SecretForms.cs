using System.Globalization;
using System.Text;

namespace Berth.Protocol;

/// <summary>The forms in which a secret shows up: as it is, and as programs write it.</summary>
internal static class SecretForms
{
    // The forms of one take some fifty times its length in memory; a longer one is no key or token.
    private const int LongestWritten = 4096;
    private const string AlsoEscapedByCareful = "<>&'\"+`";

    // What is left as it is by encodeURIComponent (ECMA-262), Python's quote, encodeURI, and RFC 3986, section 2.3.
    private static readonly string[] UrlSafe = ["-_.~", "-_.~!*'()", "-_.~/", "-_.~!*'();/?:@&=+$,#"];

    /// <summary>All of them, as bytes, each once.</summary>
    /// <param name="value">The secret.</param>
    /// <param name="shortest">Shorter ones are left out, in characters.</param>
    internal static IEnumerable<byte[]> Of(string value, int shortest) => Pieces(value)
        .Where(piece => piece.Length >= shortest && !string.IsNullOrWhiteSpace(piece))
        .SelectMany(Written)
        .SelectMany(InJson)
        .Distinct(StringComparer.Ordinal)
        .Select(Encoding.UTF8.GetBytes);

    private static IEnumerable<string> Pieces(string value)
    {
        yield return value;
        yield return value.Trim();
        foreach (var line in value.Split('\n'))
        {
            yield return line.TrimEnd('\r');
            yield return line.Trim();
        }
    }

    private static IEnumerable<string> Written(string value)
    {
        if (value.Length > LongestWritten)
        {
            return [value];
        }

        var bytes = Encoding.UTF8.GetBytes(value);
        return [value, .. InUrls(bytes), .. InShells(value), .. InHex(bytes), .. InBase64(bytes)];
    }

    private static IEnumerable<string> InUrls(byte[] bytes)
    {
        foreach (var safe in UrlSafe)
        {
            var upper = Percent(bytes, safe, "X2");
            var lower = Percent(bytes, safe, "x2");
            yield return upper;
            yield return lower;
            yield return upper.Replace("%20", "+", StringComparison.Ordinal);
            yield return lower.Replace("%20", "+", StringComparison.Ordinal);
        }
    }

    private static string Percent(byte[] bytes, string safe, string digits)
    {
        var text = new StringBuilder(bytes.Length * 3);
        foreach (var value in bytes)
        {
            _ = char.IsAsciiLetterOrDigit((char)value) || safe.Contains((char)value)
                ? text.Append((char)value)
                : text.Append('%').Append(value.ToString(digits, CultureInfo.InvariantCulture));
        }

        return text.ToString();
    }

    // Between single quotes in two ways, between double quotes, and with a backslash before what a shell would read.
    private static IEnumerable<string> InShells(string value) =>
    [
        value.Replace("'", "'\\''", StringComparison.Ordinal),
        value.Replace("'", "'\"'\"'", StringComparison.Ordinal),
        Backslashed(value, "\"$`\\!"),
        Backslashed(value, "\"$`\\"),
        Backslashed(value, " \t!\"#$&'()*,;<>?[\\]^`{|}~"),
        Backslashed(value, " \t!\"#$&'()*;<>?[\\]^`{|}~="),
    ];

    private static string Backslashed(string value, string special)
    {
        var text = new StringBuilder(value.Length + 8);
        foreach (var letter in value)
        {
            _ = special.Contains(letter) ? text.Append('\\').Append(letter) : text.Append(letter);
        }

        return text.ToString();
    }

    // As one word, as a fingerprint, and as a dump.
    private static IEnumerable<string> InHex(byte[] bytes)
    {
        foreach (var digits in (string[])["x2", "X2"])
        {
            var each = bytes.Select(value => value.ToString(digits, CultureInfo.InvariantCulture)).ToList();
            yield return string.Concat(each);
            yield return string.Join(':', each);
            yield return string.Join(' ', each);
        }
    }

    // RFC 4648. What comes before it shifts it by none, one or two bytes; of each only those digits that no neighbour
    // decides.
    private static IEnumerable<string> InBase64(byte[] bytes)
    {
        for (var offset = 0; offset < 3; offset++)
        {
            var text = Convert.ToBase64String([.. new byte[offset], .. bytes]);
            var first = ((offset * 8) + 5) / 6;
            var end = (offset + bytes.Length) * 8 / 6;
            var sure = text[first..end];
            yield return sure;
            yield return sure.Replace('+', '-').Replace('/', '_');
        }
    }

    // Once and twice as few writers escape it, and as careful ones do, with hex digits of either case.
    private static IEnumerable<string> InJson(string value)
    {
        yield return value;
        foreach (var slash in (bool[])[false, true])
        {
            var minimal = Escape(value, slash, static _ => false, "x4");
            yield return minimal;
            yield return Escape(minimal, slash, static _ => false, "x4");
            foreach (var digits in (string[])["x4", "X4"])
            {
                yield return Escape(value, slash, static letter => !char.IsAscii(letter), digits);
                yield return Escape(value, slash, static letter =>
                    !char.IsAscii(letter) || AlsoEscapedByCareful.Contains(letter), digits);
            }
        }
    }

    private static string Escape(string value, bool slash, Func<char, bool> isEscaped, string digits)
    {
        var text = new StringBuilder(value.Length + 8);
        foreach (var letter in value)
        {
            _ = letter switch
            {
                _ when isEscaped(letter) => text.Append("\\u").Append(((int)letter).ToString(digits,
                    CultureInfo.InvariantCulture)),
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                '/' when slash => text.Append("\\/"),
                < ' ' => text.Append("\\u").Append(((int)letter).ToString(digits, CultureInfo.InvariantCulture)),
                _ => text.Append(letter),
            };
        }

        return text.ToString();
    }
}
