using System.Text;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Reads, without git and without following a link, what a workspace has where its agent did nothing unusual:
/// HEAD is on a branch, and that is the only name in the repository.</summary>
/// <remarks>
/// A workspace is made so, and most runs leave it so; then there is nothing to ask git about other names. Whatever
/// looks otherwise in any way is left to git.
/// </remarks>
internal static class LoneBranch
{
    private const int LongestHead = 4096;
    private const int MaxFolders = 200;
    private const string Symbolic = "ref: ";
    private const string Heads = "refs/heads/";

    // With these there are names elsewhere.
    private static readonly string[] OtherPlaces = ["packed-refs", "commondir", "reftable"];

    /// <summary>The commit that the branch is at; null where there may be more names, or HEAD is on none.</summary>
    internal static string? Commit(string workspace)
    {
        using var git = OpenFolder.Open(Path.Combine(workspace, ".git"));
        if (git is null || OtherPlaces.Any(name => git.Look(RawPath.ToBytes(name)) is not null)
            || Read(git, "HEAD"u8) is not { } head || !head.StartsWith(Symbolic + Heads, StringComparison.Ordinal)
            || !head.EndsWith('\n'))
        {
            return null;
        }

        var found = new Found();
        if (git.Look("refs"u8) is not { Kind: FileKind.Folder } || git.Enter("refs"u8, out var refs) != 0)
        {
            return null;
        }

        using (refs)
        {
            Look(refs!, "refs", found);
        }

        return !found.IsOdd && string.Equals(found.Path, head[Symbolic.Length..^1], StringComparison.Ordinal)
            ? IdOf(found.Text) : null;
    }

    private static void Look(OpenFolder folder, string path, Found found)
    {
        if (++found.Folders > MaxFolders)
        {
            found.IsOdd = true;
            return;
        }

        for (var some = folder.ReadSome(); some.Count > 0 && !found.IsOdd; some = folder.ReadSome())
        {
            foreach (var entry in some)
            {
                var below = $"{path}/{RawPath.FromBytes(entry.Name.Span)}";
                switch (folder.Look(entry.Name.Span)?.Kind)
                {
                    case FileKind.Folder when folder.Enter(entry.Name.Span, out var inside) == 0:
                        using (inside)
                        {
                            Look(inside!, below, found);
                        }

                        break;
                    case FileKind.Plain when found.Path is null:
                        (found.Path, found.Text) = (below, Read(folder, entry.Name.Span));
                        break;
                    default:
                        found.IsOdd = true;
                        return;
                }
            }
        }
    }

    private static string? IdOf(string? text)
    {
        const int ShortId = 40;
        const int WideId = 64;
        var id = text?.TrimEnd('\n');
        return id?.Length is ShortId or WideId && id.All(char.IsAsciiHexDigitLower) ? id : null;
    }

    // A file that is longer is none that git wrote.
    private static string? Read(OpenFolder folder, ReadOnlySpan<byte> name)
    {
        if (folder.Look(name) is not { Kind: FileKind.Plain })
        {
            return null;
        }

        using var file = folder.OpenFile(name);
        if (file is null)
        {
            return null;
        }

        var bytes = new byte[LongestHead];
        var count = RandomAccess.Read(file, bytes, 0);
        return count == bytes.Length ? null : Encoding.Latin1.GetString(bytes, 0, count);
    }

    private sealed class Found
    {
        internal int Folders { get; set; }

        internal bool IsOdd { get; set; }

        internal string? Path { get; set; }

        internal string? Text { get; set; }
    }
}
