using Berth.Protocol;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Supervisor;

/// <summary>Reads the agent's two output pipes on one thread, and goes on whatever the journal does: a full pipe
/// would stop the agent.</summary>
internal sealed class OutputPump
{
    private const int BufferBytes = 64 * 1024;

    // Only who still holds a pipe when the agent's processes are dead makes us wait so long.
    private const int PollMilliseconds = 1000;

    // What may still be read once told to stop: a pipe holds 64 KiB, or 1 MiB where somebody enlarged it.
    private const int LastBytes = 2 * 1024 * 1024;

    private readonly LineSink standardOutput;
    private readonly LineSink standardError;
    private readonly RunWatch watch;
    private readonly FirstErrorLine firstError;
    private readonly TaskCompletionSource ended = new();
    private readonly TaskCompletionSource<ChildProcess> begun = new();
    private SafeFileHandle? output;
    private SafeFileHandle? error;
    private volatile bool stopping;

    // Before the agent is started: one that forks without end leaves no room for our thread.
    internal OutputPump(LineSink standardOutput, LineSink standardError, RunWatch watch, FirstErrorLine firstError)
    {
        this.firstError = firstError;
        this.standardOutput = standardOutput;
        this.standardError = standardError;
        this.watch = watch;
        new Thread(Pump, maxStackSize: 256 * 1024) { IsBackground = true, Name = "agent output" }.Start();
    }

    /// <summary>Bytes read from standard output and from both.</summary>
    internal (long Output, long Both) Counts { get; private set; }

    /// <summary>Begins to read.</summary>
    internal void Begin(ChildProcess agent) => begun.SetResult(agent);

    /// <summary>Waits for the end of both pipes.</summary>
    internal bool WaitForEnd(TimeSpan bound) => ended.Task.Wait(bound);

    /// <summary>Takes what is in the pipes now, and ends, though somebody holds them.</summary>
    internal void Finish()
    {
        stopping = true;
        ended.Task.Wait();
    }

    private void Pump()
    {
        var agent = begun.Task.Result;
        output = agent.Output;
        error = agent.Error;
        try
        {
            ReadToTheEnd();
        }
        catch (Exception surprise)
        {
            // The loop's boundary: an agent whose output nobody reads would stand still for ever.
            ErrorLog.Say($"berth-supervisor: {surprise}");
            watch.RequestStop(ExitCause.SupervisorStopped, now: true);
        }
        finally
        {
            ended.SetResult();
        }
    }

    private void ReadToTheEnd()
    {
        var buffer = new byte[BufferBytes];
        var left = LastBytes;
        while (output is not null || error is not null)
        {
            var last = stopping;
            var (first, second) = Descriptor.WaitReadable(output, error, last ? 0 : PollMilliseconds);
            if (last && ((!first && !second) || left <= 0))
            {
                break;
            }

            output = first ? Take(output!, standardOutput, buffer, ref left) : output;
            error = second ? Take(error!, standardError, buffer, ref left) : error;
        }

        standardOutput.Complete();
        standardError.Complete();
    }

    private SafeFileHandle? Take(SafeFileHandle pipe, LineSink sink, byte[] buffer, ref int left)
    {
        var count = Descriptor.Read(pipe, buffer);
        if (count == 0)
        {
            return null;
        }

        left -= stopping ? count : 0;
        Counts = (Counts.Output + (sink == standardOutput ? count : 0), Counts.Both + count);
        watch.SawOutput();
        if (sink == standardError)
        {
            firstError.Take(buffer.AsSpan(0, count));
        }

        sink.Take(buffer.AsSpan(0, count));
        return pipe;
    }
}
