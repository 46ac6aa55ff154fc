using System.Text;

namespace Berth.Engine;

/// <summary>The names of artefacts: paths in a folder, with <c>/</c> between their parts.</summary>
internal static class ArtefactName
{
    /// <summary>The session file, as the CLI wrote it and without secrets.</summary>
    public const string Conversation = "conversation.jsonl";

    /// <summary>The journal.</summary>
    public const string Transcript = "transcript.ndjson";

    /// <summary>The run's commits as mails, which <c>git am</c> takes.</summary>
    public const string Patch = "changes.patch";

    /// <summary>What stands before the names of the agent's own files.</summary>
    public const string FilesPrefix = "files/";

    /// <summary>How many folders deep a file may be, itself counted.</summary>
    public const int MostParts = 16;

    /// <summary>How long a part may be, in bytes: what file systems take.</summary>
    public const int LongestPart = 255;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>A part of a name as text, or null where it cannot be one: invalid UTF-8, control characters, a dot or
    /// two, a separator, or too long.</summary>
    public static string? PartOf(ReadOnlySpan<byte> name)
    {
        try
        {
            return Strict.GetString(name) is var text && IsPart(text) ? text : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>Whether a text could be the name of an artefact.</summary>
    public static bool IsName(string name) => IsPath(
        name.StartsWith(FilesPrefix, StringComparison.Ordinal) ? name[FilesPrefix.Length..] : name);

    /// <summary>Whether a text is the name of one of the agent's files, without its prefix.</summary>
    public static bool IsPath(string path) =>
        path.Split('/') is { Length: <= MostParts } parts && Array.TrueForAll(parts, IsPart);

    // A lone surrogate is no character that a file's name could have.
    private static bool IsPart(string part) =>
        part is not ("" or "." or "..")
        && !part.Any(letter => char.IsControl(letter) || letter is '/')
        && part.EnumerateRunes().All(rune => rune != Rune.ReplacementChar)
        && Encoding.UTF8.GetByteCount(part) <= LongestPart;
}
