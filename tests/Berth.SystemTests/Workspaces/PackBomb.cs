using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace Berth.SystemTests.Workspaces;

#pragma warning disable CA5350 // Git names objects by SHA-1.

/// <summary>A git bundle of a few kilobytes with a delta that unfolds to gigabytes.</summary>
internal static class PackBomb
{
    private const int Blob = 3;
    private const int Commit = 1;
    private const int Tree = 2;
    private const int Delta = 7;
    private const int BaseBytes = 0xffffff;

    /// <summary>The bundle: a commit with a tree whose file is the delta's.</summary>
    /// <param name="unfolded">To how many bytes the delta unfolds, rounded up to 16 MiB.</param>
    public static byte[] Bundle(long unfolded)
    {
        var copies = (int)((unfolded + BaseBytes - 1) / BaseBytes);
        var content = new byte[BaseBytes];
        var name = IdOf("blob", content);
        byte[] tree = [.. "100644 file\0"u8, .. name];
        var treeId = IdOf("tree", tree);
        var commit = Encoding.UTF8.GetBytes(
            $"tree {Convert.ToHexStringLower(treeId)}\nauthor A <a@example.invalid> 1 +0000\n"
            + "committer A <a@example.invalid> 1 +0000\n\nwork\n");
        using var pack = new MemoryStream();
        pack.Write("PACK"u8);
        pack.Write([0, 0, 0, 2, 0, 0, 0, 4]);
        Add(pack, Blob, [], content);
        Add(pack, Delta, name, DeltaOf(copies));
        Add(pack, Tree, [], tree);
        Add(pack, Commit, [], commit);
        var bytes = pack.ToArray();
        var tip = Convert.ToHexStringLower(IdOf("commit", commit));
        return [.. Encoding.UTF8.GetBytes($"# v2 git bundle\n{tip} HEAD\n\n"), .. bytes, .. SHA1.HashData(bytes)];
    }

    // Sizes of source and result, then one copy of the whole source after the other.
    private static byte[] DeltaOf(int copies)
    {
        using var delta = new MemoryStream();
        WriteSize(delta, BaseBytes);
        WriteSize(delta, (long)BaseBytes * copies);
        for (var copy = 0; copy < copies; copy++)
        {
            // No offset byte, and three of the size.
            delta.Write([0b1111_0000, 0xff, 0xff, 0xff]);
        }

        return delta.ToArray();
    }

    private static void WriteSize(MemoryStream stream, long size)
    {
        for (; size >= 0x80; size >>= 7)
        {
            stream.WriteByte((byte)(size | 0x80));
        }

        stream.WriteByte((byte)size);
    }

    private static void Add(MemoryStream pack, int type, ReadOnlySpan<byte> ofBase, byte[] content)
    {
        var size = (long)content.Length;
        var first = (byte)((type << 4) | (int)(size & 0xf));
        size >>= 4;
        pack.WriteByte(size > 0 ? (byte)(first | 0x80) : first);
        if (size > 0)
        {
            WriteSize(pack, size);
        }

        pack.Write(ofBase);
        using var zlib = new ZLibStream(pack, CompressionLevel.Optimal, leaveOpen: true);
        zlib.Write(content);
    }

    private static byte[] IdOf(string type, byte[] content) =>
        SHA1.HashData([.. Encoding.UTF8.GetBytes($"{type} {content.Length}\0"), .. content]);
}
