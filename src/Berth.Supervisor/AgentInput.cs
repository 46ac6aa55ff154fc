using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Supervisor;

/// <summary>Writes the agent's standard input on a thread of its own: the prepared lines, then what is sent, until it
/// is closed.</summary>
/// <remarks>The agent may never read: then the thread stays in its write until the last reader is dead, and holds up
/// nothing.</remarks>
internal sealed class AgentInput
{
    // A hundred decisions on tool calls can be due at once, and none of them may be lost.
    private const int MostWaiting = 256;

    // An answer repeats the id that it was asked with, which may be as long as a line.
    private const long MostWaitingBytes = 32L * 1024 * 1024;
    private const int ChunkBytes = 64 * 1024;

    // An object, for the thread waits on it.
    private readonly object gate = new();
    private readonly Queue<byte[]> lines = new();
    private readonly string prepared;
    private readonly TaskCompletionSource<SafeFileHandle> begun = new();
    private long bytes;
    private bool idle;
    private bool closing;

    // Before the agent is started: one that forks without end leaves no room for our thread.
    internal AgentInput(string prepared)
    {
        this.prepared = prepared;
        closing = !File.Exists(prepared);
        new Thread(Write, maxStackSize: 256 * 1024) { IsBackground = true, Name = "agent input" }.Start();
    }

    /// <summary>Begins to write.</summary>
    internal void Begin(SafeFileHandle pipe) => begun.SetResult(pipe);

    /// <summary>Whether a line sent now would reach the pipe at once.</summary>
    internal bool IsReady
    {
        get
        {
            lock (gate)
            {
                return idle && !closing && lines.Count == 0;
            }
        }
    }

    /// <summary>Sends a line, newline included.</summary>
    /// <returns>Null, or why it cannot be sent.</returns>
    internal string? Send(byte[] line)
    {
        lock (gate)
        {
            if (closing)
            {
                return "The agent's input is closed.";
            }

            if (lines.Count >= MostWaiting)
            {
                return $"{MostWaiting} lines wait already: the agent does not read its input.";
            }

            if (lines.Count > 0 && bytes + line.Length > MostWaitingBytes)
            {
                return $"{bytes} bytes wait already: the agent does not read its input.";
            }

            lines.Enqueue(line);
            bytes += line.Length;
            Monitor.Pulse(gate);
            return null;
        }
    }

    /// <summary>Ends the input once what was sent is written.</summary>
    internal void Close()
    {
        lock (gate)
        {
            closing = true;
            Monitor.Pulse(gate);
        }
    }

    private void Write()
    {
        using (var pipe = begun.Task.Result)
        {
            var open = WritePrepared(pipe);
            while (open && Take() is { } line)
            {
                open = Descriptor.Write(pipe, line, out _) == 0;
            }

            lock (gate)
            {
                closing = true;
                idle = false;
            }
        }
    }

    private bool WritePrepared(SafeFileHandle pipe)
    {
        if (!File.Exists(prepared))
        {
            return true;
        }

        using var file = File.OpenHandle(prepared);
        var buffer = new byte[ChunkBytes];
        for (long at = 0; RandomAccess.Read(file, buffer, at) is > 0 and var count; at += count)
        {
            if (Descriptor.Write(pipe, buffer.AsSpan(0, count), out _) != 0)
            {
                return false;
            }
        }

        return true;
    }

    private byte[]? Take()
    {
        lock (gate)
        {
            while (lines.Count == 0 && !closing)
            {
                idle = true;
                _ = Monitor.Wait(gate);
            }

            idle = false;
            if (!lines.TryDequeue(out var line))
            {
                return null;
            }

            bytes -= line.Length;
            return line;
        }
    }
}
