using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Standard error, for programs whose standard error is a file that may lie on a full disk.</summary>
/// <remarks><see cref="Console.Error"/> throws on ENOSPC, EIO and EPIPE. A log line must never end the process that
/// wants to say what is wrong.</remarks>
public static class ErrorLog
{
    private const int StandardError = 2;

    /// <summary>Writes a line, as far as it finds room. Never throws.</summary>
    public static void Say(string line)
    {
        using var stream = new SafeFileHandle(StandardError, ownsHandle: false);
        Append(stream, line);
    }

    /// <summary>Appends a line to a log file, which is made (0600) where it is missing. Never throws.</summary>
    public static void SayIn(string file, string line)
    {
        try
        {
            using var log = Descriptor.OpenAppend(file);
            Append(log, line);
        }
        catch (IOException)
        {
            // There is no folder or no room for a log; whoever wants to write one has other things to save.
        }
    }

    private static void Append(SafeFileHandle file, string line) =>
        _ = Descriptor.Write(file, Encoding.UTF8.GetBytes(line + "\n"), out _);
}
