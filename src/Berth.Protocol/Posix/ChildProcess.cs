using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Where one of a child's three standard streams comes from or goes to.</summary>
/// <param name="Kind">Which of the three ways.</param>
/// <param name="Path">The file, for <see cref="ChildStdioKind.File"/>: read for stdin, created (0600) and appended to
/// for the others.</param>
public sealed record ChildStdio(ChildStdioKind Kind, string? Path = null)
{
    /// <summary>The stream is <c>/dev/null</c>.</summary>
    public static ChildStdio Null { get; } = new(ChildStdioKind.Null);

    /// <summary>The other end is ours.</summary>
    public static ChildStdio Pipe { get; } = new(ChildStdioKind.Pipe);

    /// <summary>The other end is ours, and nobody can open the stream a second time by its path in /proc.</summary>
    public static ChildStdio Socket { get; } = new(ChildStdioKind.Socket);

    /// <summary>The stream is a file.</summary>
    public static ChildStdio File(string path) => new(ChildStdioKind.File, path);
}

/// <summary>The ways in which a child's stream can be connected.</summary>
public enum ChildStdioKind
{
    /// <summary>To <c>/dev/null</c>.</summary>
    Null,

    /// <summary>To us.</summary>
    Pipe,

    /// <summary>To us, by a socket.</summary>
    Socket,

    /// <summary>To a file.</summary>
    File,
}

/// <summary>What to start. Arguments are an array and are never seen by a shell.</summary>
public sealed record ChildProcessStart
{
    /// <summary>The program, as an absolute path.</summary>
    public required string FileName { get; init; }

    /// <summary>The arguments, without the program's own name.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The whole environment of the child; nothing is inherited.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>The child's working directory, or null for ours.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Standard input. Default: none.</summary>
    public ChildStdio Input { get; init; } = ChildStdio.Null;

    /// <summary>Standard output. Default: none.</summary>
    public ChildStdio Output { get; init; } = ChildStdio.Null;

    /// <summary>Standard error. Default: none.</summary>
    public ChildStdio Error { get; init; } = ChildStdio.Null;

    /// <summary>Whether the child leads a session and process group of its own. Default true.</summary>
    public bool NewSession { get; init; } = true;

    /// <summary>The user that the child runs as; null, the default, for ours. Only root can give another.</summary>
    public ChildUser? User { get; init; }

    /// <summary>The child's umask; null, the default, for ours, which keeps files for our user alone.</summary>
    public UnixFileMode? Mask { get; init; }

    /// <summary>A filter of system calls for the child, as <see cref="AgentFilter.Program"/>; empty, the default, for
    /// none. With one, the child is started by a thread that ends.</summary>
    public ReadOnlyMemory<byte> Filter { get; init; }

    /// <summary>What the child has as descriptor <see cref="HandedDescriptor"/>; null, the default, for
    /// nothing.</summary>
    public SafeFileHandle? Handed { get; init; }

    /// <summary>The number of what is handed to a child.</summary>
    public const int HandedDescriptor = 3;

    /// <summary>The folder that is the child's root; null, the default, for ours. Only root can
    /// give another; then a folder to work in is to be named too, for ours is outside of it.</summary>
    public string? Root { get; init; }
}

/// <summary>How a child ended: an exit code, or the signal that ended it.</summary>
/// <param name="Code">The exit code, or null when a signal ended it.</param>
/// <param name="Signal">The signal's number, or null when it exited.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ChildExit(int? Code, int? Signal);

/// <summary>A child process, started by <c>posix_spawn</c>.</summary>
/// <remarks>
/// <see cref="System.Diagnostics.Process"/> does not do for three reasons, each seen in a trial: its children inherit
/// an ignored SIGPIPE, it cannot start a child in a session of its own, and its readers wait for every holder of a
/// pipe. A child of this class has default signals, an empty signal mask, and no file descriptors but 0, 1 and 2. A
/// parent-death signal asked for by the child fires when the <em>thread</em> that called <see cref="Start"/> ends.
/// </remarks>
public sealed class ChildProcess : IDisposable
{
    // glibc: posix_spawnattr_t is 336 bytes, posix_spawn_file_actions_t 80, sigset_t 128 on 64-bit Linux.
    private const int OpaqueSize = 512;
    private const int SignalMask = 0x7f;
    private const int UnixFamily = 1;
    private const int StreamSocket = 1;
    private const int NoMoreReading = 0;
    private const int NoMoreWriting = 1;
    private const int NotStarted = 0;

    // HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU: what .NET or a shell may have changed for us.
    private static readonly int[] ResetSignals = [1, 2, 3, 10, 12, 13, 14, 15, 17, 18, 20, 21, 22];

    private readonly TaskCompletionSource<ChildExit> exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock gate = new();
    private readonly TaskCompletionSource<int> spawned = new();

    // The thread that waits is there before the child is: a child that forks without end leaves no room for one.
    private ChildProcess(SafeFileHandle? input, SafeFileHandle? output, SafeFileHandle? error)
    {
        Input = input;
        Output = output;
        Error = error;
        new Thread(WaitForExit, maxStackSize: 128 * 1024) { IsBackground = true, Name = "wait for child" }.Start();
    }

    /// <summary>The process id; also the group's and session's where <see cref="ChildProcessStart.NewSession"/> was
    /// set.</summary>
    public int Id => spawned.Task.Result;

    /// <summary>Our end of standard input, where it is a pipe or a socket.</summary>
    public SafeFileHandle? Input { get; }

    /// <summary>Our end of standard output, where it is a pipe or a socket.</summary>
    public SafeFileHandle? Output { get; }

    /// <summary>Our end of standard error, where it is a pipe or a socket.</summary>
    public SafeFileHandle? Error { get; }

    /// <summary>Completes when the child has ended and was reaped, whoever still holds its pipes.</summary>
    public Task<ChildExit> Exit => exit.Task;

    /// <summary>Starts a program.</summary>
    /// <param name="start">What to start.</param>
    /// <param name="around">Does the start itself, and nothing else of ours, somewhere: within a cgroup, say. Null, the
    /// default, for here.</param>
    /// <exception cref="Win32Exception">The program, its folder or a file of its streams cannot be used; the error
    /// number says why.</exception>
    public static ChildProcess Start(ChildProcessStart start, Func<Func<int>, int>? around = null)
    {
        ArgumentNullException.ThrowIfNull(start);
        var pipes = new SafeFileHandle?[3];
        var theirs = new int[] { -1, -1, -1 };
        try
        {
            OpenStream(start.Input, 0, theirs, pipes);
            OpenStream(start.Output, 1, theirs, pipes);
            OpenStream(start.Error, 2, theirs, pipes);
            var child = new ChildProcess(pipes[0], pipes[1], pipes[2]);
            child.Begin(around, () => OtherRoot.Run(
                start.Root,
                () => start is { User: null, Filter.IsEmpty: true } ? Spawn(start, theirs)
                    : UserThread.Run(start.User, start.Filter, () => Spawn(start, theirs))));
            return child;
        }
        catch
        {
            foreach (var pipe in pipes)
            {
                pipe?.Dispose();
            }

            throw;
        }
        finally
        {
            foreach (var descriptor in theirs.Where(descriptor => descriptor >= 0))
            {
                _ = Libc.Close(descriptor);
            }
        }
    }

    /// <summary>Sends a signal to the child, unless it was already reaped: then its number may be somebody
    /// else's.</summary>
    /// <returns>Whether the signal was sent.</returns>
    public bool Signal(int signal) => Send(Id, signal);

    /// <summary>Sends a signal to the child's process group; only for a child that leads one.</summary>
    /// <returns>Whether the signal was sent.</returns>
    public bool SignalGroup(int signal) => Send(-Id, signal);

    /// <summary>Closes our ends of the pipes. The child lives on.</summary>
    public void Dispose()
    {
        Input?.Dispose();
        Output?.Dispose();
        Error?.Dispose();
    }

    private void Begin(Func<Func<int>, int>? around, Func<int> spawn)
    {
        try
        {
            spawned.SetResult(around is null ? spawn() : around(spawn));
        }
        finally
        {
            _ = spawned.TrySetResult(NotStarted);
        }
    }

    private bool Send(int target, int signal)
    {
        lock (gate)
        {
            return !exit.Task.IsCompleted && Libc.Kill(target, signal) == 0;
        }
    }

    // waitid without reaping would need a second call; so the lock is taken around a non-blocking wait after a
    // blocking look.
    private void WaitForExit()
    {
        const int ExitedButKept = 0x01000000 | 4; // WNOWAIT | WEXITED
        if (Id == NotStarted)
        {
            return;
        }

        unsafe
        {
            var details = stackalloc byte[OpaqueSize];
            while (Libc.WaitId(1, (uint)Id, details, ExitedButKept) != 0
                && Marshal.GetLastPInvokeError() == Libc.Interrupted)
            {
                // Interrupted by a signal: look again.
            }
        }

        lock (gate)
        {
            exit.SetResult(Libc.WaitPid(Id, out var status, 0) == Id ? Decode(status) : new ChildExit(null, null));
        }
    }

    private static ChildExit Decode(int status) => (status & SignalMask) == 0
        ? new ChildExit((status >> 8) & 0xff, null)
        : new ChildExit(null, status & SignalMask);

    private static unsafe void OpenStream(ChildStdio stream, int slot, int[] theirs, SafeFileHandle?[] ours)
    {
        var ends = stackalloc int[2];
        if (stream.Kind == ChildStdioKind.Socket)
        {
            Check(Libc.SocketPair(UnixFamily, StreamSocket | Libc.CloseOnExec, 0, ends), "socketpair");
            theirs[slot] = ends[0];
            ours[slot] = new SafeFileHandle(ends[1], ownsHandle: true);

            // One way only, as a pipe is.
            _ = Libc.Shutdown(ends[1], slot == 0 ? NoMoreReading : NoMoreWriting);
            return;
        }

        if (stream.Kind == ChildStdioKind.Pipe)
        {
            Check(Libc.Pipe(ends, Libc.CloseOnExec), "pipe");
            theirs[slot] = slot == 0 ? ends[0] : ends[1];
            ours[slot] = new SafeFileHandle(slot == 0 ? ends[1] : ends[0], ownsHandle: true);
            return;
        }

        var path = stream.Kind == ChildStdioKind.File ? stream.Path! : "/dev/null";
        var flags = slot == 0 ? Libc.ReadOnly : Libc.WriteOnly | Libc.AppendFlag | Libc.CreateFlag;
        theirs[slot] = Libc.Open(path, flags | Libc.CloseOnExec, Convert.ToInt32("600", 8));
        Check(theirs[slot] < 0 ? -1 : 0, path);
    }

    private static unsafe int Spawn(ChildProcessStart start, int[] theirs)
    {
        var actions = stackalloc byte[OpaqueSize];
        var attributes = stackalloc byte[OpaqueSize];
        var defaults = stackalloc byte[OpaqueSize];
        var mask = stackalloc byte[OpaqueSize];
        new Span<byte>(defaults, OpaqueSize).Clear();
        new Span<byte>(mask, OpaqueSize).Clear();
        _ = Libc.ActionsInit(actions);
        _ = Libc.AttributesInit(attributes);
        using var argv = new NativeStrings([start.FileName, .. start.Arguments]);
        using var envp = new NativeStrings([.. start.Environment.Select(pair => $"{pair.Key}={pair.Value}")]);
        try
        {
            foreach (var signal in ResetSignals)
            {
                _ = Libc.SigAdd(defaults, signal);
            }

            _ = Libc.AttributesSetSigDefault(attributes, defaults);
            _ = Libc.AttributesSetSigMask(attributes, mask);
            var session = start.NewSession ? Libc.SpawnSetSession : 0;
            _ = Libc.AttributesSetFlags(attributes, (short)(Libc.SpawnSetSigDefault | Libc.SpawnSetSigMask | session));
            for (var slot = 0; slot < 3; slot++)
            {
                _ = Libc.ActionsDuplicate(actions, theirs[slot], slot);
            }

            if (start.Handed is { } handed)
            {
                _ = Libc.ActionsDuplicate(
                    actions, (int)handed.DangerousGetHandle(), ChildProcessStart.HandedDescriptor);
            }

            _ = Libc.ActionsCloseFrom(actions, start.Handed is null ? 3 : ChildProcessStart.HandedDescriptor + 1);
            if (start.WorkingDirectory is not null)
            {
                _ = Libc.ActionsChangeDirectory(actions, start.WorkingDirectory);
            }

            // A lambda cannot hold pointers to the stack, so they go as numbers.
            var (doing, having) = ((nint)actions, (nint)attributes);
            var (words, variables) = ((nint)argv.Pointer, (nint)envp.Pointer);
            return FileMask.Within(start.Mask, () =>
            {
                var error = Libc.Spawn(
                    out var pid, start.FileName, (void*)doing, (void*)having, (byte**)words, (byte**)variables);
                return error == 0 ? pid : throw new Win32Exception(error);
            });
        }
        finally
        {
            _ = Libc.ActionsDestroy(actions);
            _ = Libc.AttributesDestroy(attributes);
        }
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new Win32Exception(error, $"{what}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }
}
