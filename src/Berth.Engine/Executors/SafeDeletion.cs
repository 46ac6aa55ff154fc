using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors;

/// <summary>Removes a tree that an agent has written, and nothing outside of it.</summary>
/// <remarks>
/// It never follows a symbolic link and never enters a mount, needs no more than <see cref="DepthHeld"/> descriptors
/// however deep the tree is, may run twice at once, and goes on where a killed one stopped. What it cannot remove it
/// lists.
/// </remarks>
internal sealed class SafeDeletion
{
    // Each level on the way down costs a descriptor. What is deeper is moved up beside the tree's first level and
    // removed from there.
    internal const int DepthHeld = 64;

    // A folder that fills up while it is emptied, because another deletion moves things into it, is emptied again
    // this often.
    private const int Passes = 100;

    // A list of leaks is for people; the rest is a number.
    private const int LeaksListed = 50;

    private const int NoEntry = 2;
    private const int Busy = 16;
    private const int CrossDevice = 18;
    private const int IsFolder = 21;
    private const int NotEmpty = 39;

    // What was moved up from the depth has such a name, so that a later clean-up finds it after a crash.
    internal const string DeepPrefix = ".berth-deleting-";

    private readonly List<string> leaked = [];
    private readonly Queue<(Place Place, byte[] Name)> movedUp = new();
    private readonly CancellationToken deadline;
    private readonly OpenFolder root;
    private readonly string rootPath;
    private int unlisted;

    private SafeDeletion(string rootPath, OpenFolder root, CancellationToken deadline)
    {
        this.rootPath = rootPath;
        this.root = root;
        this.deadline = deadline;
    }

    /// <summary>Removes entries of a folder of ours, whatever they have become.</summary>
    /// <param name="folder">The folder that holds them. Links in this path are followed: it is not the agent's.</param>
    /// <param name="names">The entries. One that is not there is as good as removed.</param>
    /// <param name="deadline">Stops the work; what is left then is listed.</param>
    /// <returns>What is still there and why; empty when all is gone.</returns>
    public static IReadOnlyList<string> Remove(string folder, IEnumerable<string> names, CancellationToken deadline)
    {
        using var opened = OpenFolder.Open(folder);
        if (opened is null)
        {
            return Directory.Exists(folder) ? [$"{folder}: it cannot be opened"] : [];
        }

        var deletion = new SafeDeletion(folder, opened, deadline);
        foreach (var name in names.Concat(deletion.Unfinished()))
        {
            deletion.RemoveEntry(opened, new Place(null, name), Encoding.UTF8.GetBytes(name), depth: 0);
        }

        while (deletion.movedUp.TryDequeue(out var deep))
        {
            deletion.RemoveEntry(opened, deep.Place, deep.Name, depth: 0);
        }

        if (deletion.unlisted > 0)
        {
            deletion.leaked.Add(string.Create(CultureInfo.InvariantCulture, $"{folder}: {deletion.unlisted} more"));
        }

        return deletion.leaked;
    }

    private bool RemoveEntry(OpenFolder parent, Place place, ReadOnlySpan<byte> name, int depth)
    {
        if (deadline.IsCancellationRequested)
        {
            return Leak(place, "the time for cleaning up was over");
        }

        var error = parent.Unlink(name);
        return error switch
        {
            0 or NoEntry => true,
            IsFolder => RemoveFolder(parent, place, name, depth),
            _ => Leak(place, Text(error)),
        };
    }

    private bool RemoveFolder(OpenFolder parent, Place place, ReadOnlySpan<byte> name, int depth)
    {
        // An empty folder, or one that another deletion has emptied, needs no look inside.
        if (parent.RemoveFolder(name) is 0 or NoEntry)
        {
            return true;
        }

        var error = parent.Enter(name, out var folder);
        using (folder)
        {
            for (var pass = 0; folder is not null && pass < Passes; pass++)
            {
                var emptied = Empty(folder, place, depth);
                error = parent.RemoveFolder(name);
                if (error is 0 or NoEntry)
                {
                    return true;
                }

                if (!emptied || error != NotEmpty)
                {
                    // What is inside was listed already; a folder that holds a leak is not one more.
                    return emptied && Leak(place, Text(error));
                }

                folder.Rewind();
            }
        }

        return error is NoEntry || Leak(place, Text(error));
    }

    private bool Empty(OpenFolder folder, Place place, int depth)
    {
        var emptied = true;
        while (folder.ReadSome() is { Count: > 0 } entries)
        {
            foreach (var entry in entries)
            {
                var inner = new Place(place, entry.Text);
                emptied &= entry.IsFolder && depth >= DepthHeld
                    ? MoveUp(folder, inner, entry.Name.Span)
                    : RemoveEntry(folder, inner, entry.Name.Span, depth + 1);
            }
        }

        return emptied;
    }

    // The folder becomes an entry beside the tree and waits there, so that no descriptor is held for the levels above
    // it.
    private bool MoveUp(OpenFolder folder, Place place, ReadOnlySpan<byte> name)
    {
        var newName = Encoding.ASCII.GetBytes($"{DeepPrefix}{Guid.NewGuid():N}");
        switch (folder.Move(name, root, newName))
        {
            case 0:
                movedUp.Enqueue((place, newName));
                return true;
            case NoEntry:
                return true;
            case var error:
                return Leak(place, Text(error));
        }
    }

    private List<string> Unfinished()
    {
        var found = new List<string>();
        while (root.ReadSome() is { Count: > 0 } entries)
        {
            found.AddRange(from entry in entries
                           where entry.Text.StartsWith(DeepPrefix, StringComparison.Ordinal)
                           select entry.Text);
        }

        return found;
    }

    private bool Leak(Place place, string reason)
    {
        if (leaked.Count < LeaksListed)
        {
            leaked.Add($"{place.PathUnder(rootPath)}: {reason}");
        }
        else
        {
            unlisted++;
        }

        return false;
    }

    private static string Text(int error) => error switch
    {
        CrossDevice or Busy => "a mount; it was not entered",
        _ => Marshal.GetPInvokeErrorMessage(error),
    };

    /// <summary>Where an entry was, as a chain: the path of one at depth 5,000 is only made when it is
    /// needed.</summary>
    private sealed record Place(Place? Parent, string Name)
    {
        internal string PathUnder(string root)
        {
            var names = new Stack<string>();
            for (var place = this; place is not null; place = place.Parent)
            {
                names.Push(place.Name);
            }

            return Path.Combine([root, .. names]);
        }
    }
}
