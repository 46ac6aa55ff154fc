using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Supervisor;

/// <summary>The rest of a line that is too long for the journal.</summary>
internal sealed class SpillFile : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly string path;
    private readonly Action<long> counted;
    private readonly SafeFileHandle? file;

    internal SpillFile(string folder, string name, Action<long> counted)
    {
        Name = name;
        this.counted = counted;
        path = Path.Combine(folder, name);
        try
        {
            Directory.CreateDirectory(folder, OwnerOnly);
            file = Descriptor.OpenAppend(path);
        }
        catch (IOException)
        {
            // A full disk: what cannot be written is counted as dropped.
        }
    }

    internal string Name { get; }

    internal long Length { get; private set; }

    /// <summary>Appends to it.</summary>
    /// <returns>How many bytes of it found a place.</returns>
    internal int Append(ReadOnlySpan<byte> text)
    {
        if (file is null)
        {
            return 0;
        }

        _ = Descriptor.Write(file, text, out var written);
        Length += written;
        counted(written);
        return written;
    }

    internal void Delete()
    {
        Dispose();
        File.Delete(path);
        counted(-Length);
    }

    public void Dispose()
    {
        if (file is { IsClosed: false })
        {
            _ = Descriptor.Sync(file);
            file.Dispose();
        }
    }
}
