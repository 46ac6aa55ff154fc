using System.Runtime.InteropServices;
using System.Text;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Supervisor;

/// <summary>How a short command ended.</summary>
/// <param name="Code">Its exit code; null when a signal or the time limit ended it.</param>
/// <param name="Output">The beginning of its standard output.</param>
/// <param name="Error">The beginning of its standard error.</param>
/// <param name="Stopped">Whether it was ended by the time limit or by the caller.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct CommandResult(int? Code, string Output, string Error, bool Stopped);

/// <summary>Takes a part of what a command prints.</summary>
internal delegate void OutputReader(ReadOnlySpan<byte> part);

/// <summary>Runs one short command on the main thread, with bounded output and time.</summary>
internal sealed class BoundedCommand(RunProcesses processes, TimeProvider time)
{
    private const int OutputBytes = 64 * 1024;
    private const int PollMilliseconds = 20;
    private static readonly TimeSpan DrainGrace = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan KillGrace = TimeSpan.FromSeconds(5);

    private readonly byte[] chunk = new byte[16 * 1024];

    /// <summary>Runs it.</summary>
    /// <param name="start">The command.</param>
    /// <param name="bound">How long it may take.</param>
    /// <param name="stopAsked">Whether it is to be given up.</param>
    /// <param name="reader">Takes the standard output as it comes, and all of it; null keeps its beginning.</param>
    internal CommandResult Run(
        ChildProcessStart start, TimeSpan bound, Func<bool> stopAsked, OutputReader? reader = null)
    {
        using var child = processes.Start(start with { Output = ChildStdio.Socket, Error = ChildStdio.Socket });
        var output = new MemoryStream();
        var error = new MemoryStream();
        var (openOutput, openError) = (child.Output, child.Error);
        var began = time.GetTimestamp();
        long? ended = null;
        while (!child.Exit.IsCompleted || openOutput is not null || openError is not null)
        {
            if (child.Exit.IsCompleted && time.GetElapsedTime(ended ??= time.GetTimestamp()) > DrainGrace)
            {
                break;
            }

            if (!child.Exit.IsCompleted && (time.GetElapsedTime(began) > bound || stopAsked()))
            {
                _ = processes.KillAll(KillGrace);
                return new CommandResult(null, Text(output), Text(error), Stopped: true);
            }

            if (openOutput is null && openError is null)
            {
                _ = child.Exit.Wait(PollMilliseconds);
                continue;
            }

            var (first, second) = Descriptor.WaitReadable(openOutput, openError, PollMilliseconds);
            openOutput = first ? Take(openOutput!, output, reader) : openOutput;
            openError = second ? Take(openError!, error, reader: null) : openError;
        }

        return new CommandResult(child.Exit.Result.Code, Text(output), Text(error), Stopped: false);
    }

    private static string Text(MemoryStream stream) =>
        Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);

    private SafeFileHandle? Take(SafeFileHandle pipe, MemoryStream kept, OutputReader? reader)
    {
        var count = Descriptor.Read(pipe, chunk);
        if (reader is not null)
        {
            reader(chunk.AsSpan(0, (int)count));
            return count == 0 ? null : pipe;
        }

        kept.Write(chunk, 0, (int)Math.Min(count, OutputBytes - kept.Length));
        return count == 0 ? null : pipe;
    }
}
