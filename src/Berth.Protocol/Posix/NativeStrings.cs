using System.Runtime.InteropServices;
using System.Text;

namespace Berth.Protocol.Posix;

/// <summary>A null-terminated array of C strings.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    internal NativeStrings(IReadOnlyList<string> values)
    {
        Pointer = (byte**)NativeMemory.AllocZeroed((nuint)(values.Count + 1), (nuint)sizeof(byte*));
        for (var i = 0; i < values.Count; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(values[i]);
            if (bytes.AsSpan().Contains((byte)0))
            {
                Dispose();
                throw new ArgumentException("An argument or environment variable holds a NUL byte.",
                    nameof(values));
            }

            Pointer[i] = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
            bytes.CopyTo(new Span<byte>(Pointer[i], bytes.Length));
        }
    }

    internal byte** Pointer { get; private set; }

    public void Dispose()
    {
        for (var entry = Pointer; entry is not null && *entry is not null; entry++)
        {
            NativeMemory.Free(*entry);
        }

        NativeMemory.Free(Pointer);
        Pointer = null;
    }
}
