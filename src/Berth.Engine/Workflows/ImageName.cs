namespace Berth.Engine.Workflows;

/// <summary>The names of images, as people write them.</summary>
internal static class ImageName
{
    private const int Longest = 255;

    /// <summary>Whether a text can be one: a registry, a path, a tag or a digest, in any combination.</summary>
    /// <remarks>The daemon knows exactly; here only what could be taken for something else is refused.</remarks>
    internal static bool IsName(string text) =>
        text.Length is > 0 and <= Longest
        && char.IsAsciiLetterOrDigit(text[0])
        && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-' or '/' or ':' or '@')
        && !text.Contains("//", StringComparison.Ordinal)
        && !text.Contains("..", StringComparison.Ordinal);
}
