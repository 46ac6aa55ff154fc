using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Plain reads and writes of a descriptor, with the error as a number and no buffer between.</summary>
public static unsafe class Descriptor
{
    /// <summary>The error number of a full disk.</summary>
    public const int NoSpace = 28;

    /// <summary>The error number of an exhausted quota.</summary>
    public const int QuotaExceeded = 122;

    private const int StandardError = 2;

    /// <summary>Opens a file to append to it, made with mode 0600 where it is missing.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static SafeFileHandle OpenAppend(string path)
    {
        var descriptor = Libc.Open(path, Libc.WriteOnly | Libc.AppendFlag | Libc.CreateFlag | Libc.CloseOnExec,
            Convert.ToInt32("600", 8));
        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
    }

    /// <summary>Opens a file to read it, where it is there and may be read.</summary>
    /// <returns>The file, or null: what is looked for again and again, and mostly is not there, costs no
    /// exception.</returns>
    public static SafeFileHandle? TryOpen(string path)
    {
        var descriptor = Libc.Open(path, Libc.ReadOnly | Libc.CloseOnExec, 0);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : null;
    }

    /// <summary>Whether nothing is at a path, as far as can be said: what is forbidden to see is not missing.</summary>
    public static bool IsMissing(string path) =>
        Libc.Access(path, Libc.Exists) != 0 && Marshal.GetLastPInvokeError() is Libc.NoEntry or Libc.NotAFolder;

    /// <summary>Makes this process's standard error a file, as <see cref="OpenAppend"/> opens it.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static void SendErrorsTo(string path)
    {
        using var file = OpenAppend(path);
        if (Libc.Duplicate(Number(file), StandardError) < 0)
        {
            throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Reads what there is, waiting for the first byte.</summary>
    /// <returns>The number of bytes; 0 at the end, and also on an error, after which nothing more would come.</returns>
    public static int Read(SafeFileHandle handle, Span<byte> buffer)
    {
        while (true)
        {
            fixed (byte* first = buffer)
            {
                var count = (int)Libc.Read(Number(handle), first, buffer.Length);
                if (count >= 0 || Marshal.GetLastPInvokeError() != Libc.Interrupted)
                {
                    return Math.Max(count, 0);
                }
            }
        }
    }

    /// <summary>Writes all of it.</summary>
    /// <param name="handle">The open file or pipe.</param>
    /// <param name="bytes">What to write.</param>
    /// <param name="written">How many bytes of it were written.</param>
    /// <returns>0, or the error number that ended it early.</returns>
    public static int Write(SafeFileHandle handle, ReadOnlySpan<byte> bytes, out int written)
    {
        written = 0;
        while (written < bytes.Length)
        {
            fixed (byte* first = bytes[written..])
            {
                var count = (int)Libc.Write(Number(handle), first, bytes.Length - written);
                if (count >= 0)
                {
                    written += count;
                }
                else if (Marshal.GetLastPInvokeError() is not Libc.Interrupted and var error)
                {
                    return error;
                }
            }
        }

        return 0;
    }

    /// <summary>Cuts a file to a length.</summary>
    public static bool Truncate(SafeFileHandle handle, long length) => Libc.Truncate(Number(handle), length) == 0;

    /// <summary>Takes room on the disk for a part of a file, and leaves its length as it is.</summary>
    /// <returns>0, or the error number: <see cref="NoSpace"/>, or one that says that it cannot be done here.</returns>
    public static int Allocate(SafeFileHandle handle, long offset, long length)
    {
        const int KeepSize = 1;
        while (true)
        {
            if (Libc.Allocate(Number(handle), KeepSize, offset, length) == 0)
            {
                return 0;
            }

            if (Marshal.GetLastPInvokeError() is not Libc.Interrupted and var error)
            {
                return error;
            }
        }
    }

    /// <summary>Flushes a file to disk.</summary>
    public static bool Sync(SafeFileHandle handle) => Libc.Sync(Number(handle)) == 0;

    /// <summary>Takes the lock of an open file if nobody else has it; it goes with the handle.</summary>
    public static bool TryLock(SafeFileHandle handle) =>
        Libc.Lock(Number(handle), Libc.ExclusiveLock | Libc.DoNotBlock) == 0;

    /// <summary>Waits until one of two pipes can be read or was closed by its writers.</summary>
    /// <param name="first">A pipe, or null.</param>
    /// <param name="second">Another, or null.</param>
    /// <param name="milliseconds">How long to wait at most.</param>
    /// <returns>Which of the two.</returns>
    public static (bool First, bool Second) WaitReadable(SafeFileHandle? first, SafeFileHandle? second,
        int milliseconds)
    {
        // A negative descriptor is passed over by poll.
        var entries = stackalloc PollEntry[2];
        entries[0] = new PollEntry { Descriptor = first is null ? -1 : Number(first), Asked = Libc.PollIn };
        entries[1] = new PollEntry { Descriptor = second is null ? -1 : Number(second), Asked = Libc.PollIn };
        return Libc.Poll(entries, 2, milliseconds) > 0 ? (entries[0].Answered != 0, entries[1].Answered != 0)
            : (false, false);
    }

    private static int Number(SafeFileHandle handle) => (int)handle.DangerousGetHandle();
}
