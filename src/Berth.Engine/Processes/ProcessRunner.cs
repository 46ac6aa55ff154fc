using System.Buffers;
using System.ComponentModel;
using System.IO.Pipes;
using System.Text;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Engine.Processes;

/// <summary>Runs a program to its end, with a bound on everything; the result is a value.</summary>
/// <remarks>
/// The child leads a session of its own, so it has no terminal to ask questions on, and its whole group is signalled.
/// Ending it means
/// SIGTERM, a grace, SIGKILL; what it had started by then is found by its parentage before the first signal and is
/// killed too.
/// </remarks>
internal sealed class ProcessRunner(TimeProvider time)
{
    private const int Term = 15;
    private const int Kill = 9;
    private const int BufferSize = 64 * 1024;

    // A process that SIGKILL does not end hangs in the kernel, on a dead network disk for example. Nobody can wait for
    // that.
    private static readonly TimeSpan KillGrace = TimeSpan.FromSeconds(5);

    // On a machine that has far too much to do, whoever is to read is late; what is in the pipe still is the program's.
    private static readonly TimeSpan LateLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LatePause = TimeSpan.FromMilliseconds(20);

    /// <summary>Runs it. Cancelling ends it softly first, and still gives a result.</summary>
    internal async Task<ProcessResult> RunAsync(ProcessRequest request, CancellationToken soft)
    {
        var started = time.GetTimestamp();
        if (soft.IsCancellationRequested)
        {
            return new ProcessResult { End = ProcessEnd.Cancelled };
        }

        ChildProcess child;
        try
        {
            child = ChildProcess.Start(StartOf(request));
        }
        catch (Exception refused) when (refused is Win32Exception or ArgumentException)
        {
            return new ProcessResult
            {
                End = ProcessEnd.NotStarted,
                Error = refused.Message,
                Duration = time.GetElapsedTime(started),
            };
        }

        using (child)
        {
            if (request.MemoryBytes is { } most)
            {
                ProcessMemory.Bound(child.Id, most);
            }

            request.Started?.Invoke(child.Id);
            return await WaitAsync(child, request, started, soft).ConfigureAwait(false);
        }
    }

    private static ChildProcessStart StartOf(ProcessRequest request) => new()
    {
        FileName = request.FileName,
        Arguments = request.Arguments,
        Environment = request.Environment,
        WorkingDirectory = request.WorkingDirectory,
        Input = request.Input.IsEmpty && request.InputStream is null ? ChildStdio.Null : ChildStdio.Pipe,
        Output = ChildStdio.Pipe,
        Error = ChildStdio.Pipe,
    };

    private async Task<ProcessResult> WaitAsync(
        ChildProcess child, ProcessRequest request, long started, CancellationToken soft)
    {
        var stop = new TaskCompletionSource<ProcessEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var closing = new CancellationTokenSource();
        using var timeout = new CancellationTokenSource(request.Timeout, time);
        await using var onTimeout = timeout.Token.Register(
            () => stop.TrySetResult(ProcessEnd.TimedOut)).ConfigureAwait(false);
        await using var onCancel = soft.Register(() => stop.TrySetResult(ProcessEnd.Cancelled)).ConfigureAwait(false);
        Action? full = request.OutputStream is null ? null : () => stop.TrySetResult(ProcessEnd.OutputLimit);
        var output = new OutputPump(request.MaxOutputBytes, request.OutputStream, full);
        var error = new OutputPump(request.MaxErrorBytes, null, null);
        Task[] pumps =
        [
            output.ReadAsync(child.Output!, closing.Token),
            error.ReadAsync(child.Error!, closing.Token),
            WriteInputAsync(child.Input, request, closing.Token),
        ];

        var end = ProcessEnd.Exited;
        if (await Task.WhenAny(child.Exit, stop.Task).ConfigureAwait(false) == stop.Task && !child.Exit.IsCompleted)
        {
            end = await stop.Task.ConfigureAwait(false);
            await EndAsync(child, request.TermGrace).ConfigureAwait(false);
        }

        if (child.Exit.IsCompleted)
        {
            await DrainAsync(Task.WhenAll(pumps), request.DrainGrace, () => output.IsLate || error.IsLate)
                .ConfigureAwait(false);
        }

        await closing.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(pumps).ConfigureAwait(false);
        var exit = child.Exit.IsCompleted ? await child.Exit.ConfigureAwait(false) : default;
        return new ProcessResult
        {
            End = output.Exceeded && request.OutputStream is not null ? ProcessEnd.OutputLimit : end,
            ExitCode = exit.Code,
            Signal = exit.Signal,
            Output = output.Kept,
            OutputTruncated = output.Exceeded,
            Error = Encoding.UTF8.GetString(error.Kept.Span),
            Duration = time.GetElapsedTime(started),
        };
    }

    // A pipe with something in it, or whose writers have all gone, only waits for its reader; an empty one is held by
    // somebody else.
    private async Task DrainAsync(Task pumps, TimeSpan grace, Func<bool> isLate)
    {
        var began = time.GetTimestamp();
        while (!await WithinAsync(pumps, grace).ConfigureAwait(false)
            && isLate() && time.GetElapsedTime(began) < LateLimit)
        {
            grace = LatePause;
        }
    }

    private async Task EndAsync(ChildProcess child, TimeSpan grace)
    {
        var tree = ProcessTree.DescendantsOf(child.Id);
        child.SignalGroup(Term);
        if (!await WithinAsync(child.Exit, grace).ConfigureAwait(false))
        {
            child.SignalGroup(Kill);
            await WithinAsync(child.Exit, KillGrace).ConfigureAwait(false);
        }

        foreach (var descendant in tree)
        {
            descendant.Signal(Kill);
        }
    }

    private async Task<bool> WithinAsync(Task task, TimeSpan bound)
    {
        if (task.IsCompleted)
        {
            return true;
        }

        using var cancel = new CancellationTokenSource();
        var delay = Task.Delay(bound, time, cancel.Token);
        var first = await Task.WhenAny(task, delay).ConfigureAwait(false);
        await cancel.CancelAsync().ConfigureAwait(false);
        return first == task;
    }

    private static async Task WriteInputAsync(SafeFileHandle? handle, ProcessRequest request, CancellationToken closing)
    {
        if (handle is null)
        {
            return;
        }

        try
        {
            using var ours = TakeOver(handle);
            var pipe = new AnonymousPipeClientStream(PipeDirection.Out, ours);
            await using (pipe.ConfigureAwait(false))
            {
                await pipe.WriteAsync(request.Input, closing).ConfigureAwait(false);
                if (request.InputStream is not null)
                {
                    await request.InputStream.CopyToAsync(pipe, BufferSize, closing).ConfigureAwait(false);
                }
            }
        }
        catch (Exception closed) when (closed is IOException or OperationCanceledException)
        {
            // A program need not read all of its input; its exit code says whether it is content.
        }
    }

    // The pipe stream must own what it reads: disposing of one that does not never returns.
    private static SafePipeHandle TakeOver(SafeFileHandle handle)
    {
        var descriptor = handle.DangerousGetHandle();
        handle.SetHandleAsInvalid();
        return new SafePipeHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Reads a pipe to its end whatever comes, and keeps no more than it may.</summary>
    private sealed class OutputPump(long maximum, Stream? sink, Action? exceeded)
    {
        private readonly ArrayBufferWriter<byte> kept = new();
        private long taken;
        private SafePipeHandle? pipeHandle;

        internal bool Exceeded { get; private set; }

        internal ReadOnlyMemory<byte> Kept => kept.WrittenMemory;

        /// <summary>Whether there is something to read, or the end.</summary>
        internal bool IsLate
        {
            get
            {
                var isHeld = false;
                try
                {
                    pipeHandle?.DangerousAddRef(ref isHeld);
                    using var same = new SafeFileHandle(pipeHandle?.DangerousGetHandle() ?? -1, ownsHandle: false);
                    return isHeld && Descriptor.WaitReadable(same, null, milliseconds: 0).First;
                }
                catch (ObjectDisposedException)
                {
                    // It was read to its end just now.
                    return false;
                }
                finally
                {
                    if (isHeld)
                    {
                        pipeHandle!.DangerousRelease();
                    }
                }
            }
        }

        internal async Task ReadAsync(SafeFileHandle handle, CancellationToken closing)
        {
            var buffer = new byte[BufferSize];
            try
            {
                using var ours = TakeOver(handle);
                pipeHandle = ours;
                var pipe = new AnonymousPipeClientStream(PipeDirection.In, ours);
                await using var scope = pipe.ConfigureAwait(false);
                while (await pipe.ReadAsync(buffer, closing).ConfigureAwait(false) is > 0 and var read)
                {
                    var room = (int)Math.Min(read, maximum - taken);
                    taken += room;
                    var taking = await TakeAsync(buffer.AsMemory(0, room), closing).ConfigureAwait(false);
                    if ((room < read || !taking) && !Exceeded)
                    {
                        Exceeded = true;
                        exceeded?.Invoke();
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // Somebody else still holds the pipe; what it says after the program's end is not the program's.
            }
        }

        private async Task<bool> TakeAsync(ReadOnlyMemory<byte> part, CancellationToken closing)
        {
            try
            {
                if (sink is null)
                {
                    kept.Write(part.Span);
                    return true;
                }

                await sink.WriteAsync(part, closing).ConfigureAwait(false);
                return true;
            }
            catch (IOException)
            {
                // Whoever was to read the output has gone away, as with `berth diff | head`.
                return false;
            }
        }
    }
}
