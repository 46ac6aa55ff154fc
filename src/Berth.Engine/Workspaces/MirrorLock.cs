using System.Globalization;
using System.Text;
using Berth.Engine.Processes;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Workspaces;

/// <summary>A lock on a mirror: shared by those who add a ref or a pack, alone for who fetches, makes or heals
/// it; and, always alone, on a workspace that is being filled.</summary>
/// <remarks>
/// It is a <see cref="LockFile"/>, so the kernel lets go of it when its holder dies. A git process that the holder had
/// started may live on, though, and still write; so its identity is noted in the lock file, and the next one who is
/// alone ends it before anything else.
/// </remarks>
internal sealed class MirrorLock : IAsyncDisposable
{
    private const int Kill = 9;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(15);
    private static readonly TimeSpan OrphanGrace = TimeSpan.FromSeconds(10);

    private readonly LockFile held;
    private readonly bool alone;

    private MirrorLock(LockFile held, bool alone)
    {
        this.held = held;
        this.alone = alone;
    }

    /// <summary>Takes the lock, waiting for it as long as that may take.</summary>
    /// <exception cref="FailureException"><c>mirror_busy</c>.</exception>
    internal static async Task<MirrorLock> TakeAsync(
        string path, bool alone, TimeSpan bound, TimeProvider time, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            if (TryTake(path, alone) is { } taken)
            {
                return alone ? await taken.EndOrphanAsync(time, cancellation).ConfigureAwait(false) : taken;
            }

            if (time.GetElapsedTime(started) > bound)
            {
                throw new FailureException(
                    "mirror_busy",
                    $"Another run held the mirror's lock {path} for more than {bound.TotalSeconds:0} s.",
                    "Wait for the other run, a first clone perhaps, or raise the bound.",
                    Fault.Operator);
            }

            await Task.Delay(Poll, time, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Takes the lock alone, or gives null where somebody has it.</summary>
    internal static async Task<MirrorLock?> TryTakeAloneAsync(
        string path, TimeProvider time, CancellationToken cancellation) => TryTake(path, alone: true) is { } taken
        ? await taken.EndOrphanAsync(time, cancellation).ConfigureAwait(false)
        : null;

    /// <summary>Notes a git process that writes under this lock.</summary>
    internal void Note(int pid)
    {
        if (alone && ProcessIdentity.Of(pid) is { } writer)
        {
            held.Content.SetLength(0);
            held.Content.Write(Encoding.ASCII.GetBytes(
                string.Create(CultureInfo.InvariantCulture, $"{writer.Pid} {writer.StartTicks} {writer.BootId}\n")));
        }
    }

    public ValueTask DisposeAsync() => held.Content.DisposeAsync();

    private static MirrorLock? TryTake(string path, bool alone) =>
        LockFile.TryTake(path, shared: !alone) is { } taken ? new MirrorLock(taken, alone) : null;

    private async Task<MirrorLock> EndOrphanAsync(TimeProvider time, CancellationToken cancellation)
    {
        var buffer = new byte[256];
        var read = await held.Content.ReadAtLeastAsync(
            buffer, buffer.Length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
        var parts = Encoding.ASCII.GetString(buffer, 0, read).TrimEnd('\n').Split(' ');
        held.Content.SetLength(0);
        if (parts.Length != 3
            || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks))
        {
            return this;
        }

        var orphan = new ProcessIdentity(pid, ticks, parts[2]);
        ProcessIdentity[] all = orphan.IsAlive ? [.. ProcessTree.DescendantsOf(pid), orphan] : [];
        foreach (var process in all)
        {
            process.Signal(Kill);
        }

        var started = time.GetTimestamp();
        while (all.Any(process => process.IsAlive) && time.GetElapsedTime(started) < OrphanGrace)
        {
            await Task.Delay(Poll, time, cancellation).ConfigureAwait(false);
        }

        return this;
    }
}
