using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Tells when some files of a folder change, by inotify: waiting for them costs nothing.</summary>
/// <remarks>
/// Changes made through a bind mount, by a container for example, are seen; those of another machine on a network disk
/// are not. So whoever waits looks by himself after a while too. All watches of a process share one inotify instance
/// and one thread. A user has 128 instances; where none is left there is no watch, and looking more often has to do.
/// </remarks>
public sealed class FolderWatch : IDisposable
{
    private readonly int number;
    private readonly HashSet<string> names;
    private volatile TaskCompletionSource next = New();

    private FolderWatch(int number, IEnumerable<string> names) =>
        (this.number, this.names) = (number, new HashSet<string>(names, StringComparer.Ordinal));

    /// <summary>Completes with the next change. Take it before looking, so that no change is missed.</summary>
    public Task Next => next.Task;

    /// <summary>Watches a folder for its own end and for these entries; null where that cannot be done.</summary>
    public static FolderWatch? Open(string folder, params IReadOnlyList<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return Hub.Shared.Add(folder, number => new FolderWatch(number, names));
    }

    /// <summary>Waits for a change, or until it is time to look anyway.</summary>
    /// <param name="change">What <see cref="Next"/> was before the last look; null where there is no watch.</param>
    /// <param name="bound">How long to wait at most.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async Task WaitAsync(
        Task? change, TimeSpan bound, TimeProvider time, CancellationToken cancellationToken)
    {
        if (change is null)
        {
            await Task.Delay(bound, time, cancellationToken).ConfigureAwait(false);
            return;
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = await Task.WhenAny(change, Task.Delay(bound, time, either.Token)).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Ends the watch.</summary>
    public void Dispose() => Hub.Shared.Remove(this);

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Tell(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || names.Contains(Encoding.UTF8.GetString(name)))
        {
            Interlocked.Exchange(ref next, New()).SetResult();
        }
    }

    private sealed class Hub
    {
        // MODIFY, ATTRIB, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF: see inotify(7).
        private const uint Wanted = 0x2 | 0x4 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800;
        private const int HeaderBytes = 16;
        private const int BufferBytes = 16 * 1024;
        private const int Lost = -1;

        private readonly Lock gate = new();
        private readonly Dictionary<int, List<FolderWatch>> watches = [];
        private int inotify = Lost;

        internal static Hub Shared { get; } = new();

        internal FolderWatch? Add(string folder, Func<int, FolderWatch> make)
        {
            lock (gate)
            {
                if (!IsOpen() || Libc.AddWatch(inotify, folder, Wanted) is var number && number < 0)
                {
                    return null;
                }

                var watch = make(number);
                if (!watches.TryGetValue(number, out var same))
                {
                    watches[number] = same = [];
                }

                same.Add(watch);
                return watch;
            }
        }

        internal void Remove(FolderWatch watch)
        {
            lock (gate)
            {
                if (watches.TryGetValue(watch.number, out var same) && same.Remove(watch) && same.Count == 0)
                {
                    watches.Remove(watch.number);
                    _ = Libc.RemoveWatch(inotify, watch.number);
                }
            }
        }

        private bool IsOpen()
        {
            if (inotify >= 0)
            {
                return true;
            }

            inotify = Libc.InitNotify(Libc.CloseOnExec);
            if (inotify < 0)
            {
                return false;
            }

            new Thread(Read, maxStackSize: 256 * 1024) { IsBackground = true, Name = "folder watch" }.Start();
            return true;
        }

        private void Read()
        {
            // It is open as long as the process lives.
            using var descriptor = new SafeFileHandle(inotify, ownsHandle: false);
            var buffer = new byte[BufferBytes];
            while (Descriptor.Read(descriptor, buffer) is > 0 and var count)
            {
                lock (gate)
                {
                    for (var at = 0; at < count;)
                    {
                        at += Take(buffer.AsSpan(at, count - at));
                    }
                }
            }
        }

        // struct inotify_event: watch, mask, cookie, length of the name that follows with NULs at its end.
        private int Take(ReadOnlySpan<byte> entry)
        {
            var number = BinaryPrimitives.ReadInt32LittleEndian(entry);
            var length = BinaryPrimitives.ReadInt32LittleEndian(entry[12..]);
            var name = entry.Slice(HeaderBytes, length).TrimEnd((byte)0);
            foreach (var watch in number == Lost
                ? [.. watches.Values.SelectMany(same => same)]
                : watches.GetValueOrDefault(number) ?? [])
            {
                watch.Tell(name);
            }

            return HeaderBytes + length;
        }
    }
}
