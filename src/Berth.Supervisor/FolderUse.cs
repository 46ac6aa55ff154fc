using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>How much disk the agent's folders of a run hold, by a slow walk.</summary>
/// <remarks>
/// What counts is the blocks of plain files: sparse ones count what they take, and one with several names counts for
/// each of them. The tree is the agent's: nothing is followed, one folder is open for each level, and a walk ends at a
/// number of entries. A walk rests fifty times as long as it took, so that it costs two hundredths of a processor at
/// the most.
/// </remarks>
internal sealed class FolderUse(RunDirectory directory, TimeProvider time)
{
    private const int MostEntries = 2_000_000;
    private const int Deepest = 200;
    private const int RestFactor = 50;
    private static readonly TimeSpan LeastRest = TimeSpan.FromSeconds(2);

    private readonly Lock walking = new();
    private long bytes;
    private long measuredAt;
    private TimeSpan took;
    private int left;
    private long sum;
    private long most;

    /// <summary>As much as the last walk found.</summary>
    internal long Bytes => Interlocked.Read(ref bytes);

    /// <summary>Walks again and again on a thread of its own, until the process ends.</summary>
    internal void Begin() => new Thread(
        () =>
        {
            while (true)
            {
                _ = Measure();
                var rest = took * RestFactor;
                Thread.Sleep(rest > LeastRest ? rest : LeastRest);
            }
        },
        maxStackSize: 512 * 1024) { IsBackground = true, Name = "disk use" }.Start();

    /// <summary>Walks, unless it was done a moment ago, or is being done.</summary>
    /// <param name="enough">With so much the walk ends: more need not be known.</param>
    internal long Measure(long enough = long.MaxValue)
    {
        if (!walking.TryEnter())
        {
            return Bytes;
        }

        try
        {
            if (measuredAt == 0 || time.GetElapsedTime(measuredAt) >= LeastRest)
            {
                Walk(enough);
            }

            return Bytes;
        }
        finally
        {
            walking.Exit();
        }
    }

    private void Walk(long enough)
    {
        var began = time.GetTimestamp();
        (left, sum, most) = (MostEntries, 0, enough);
        foreach (var folder in (string[])[directory.Workspace, directory.Home, directory.ArtifactsInside])
        {
            if (OpenFolder.Open(folder) is { } opened)
            {
                Add(opened, depth: 0);
            }
        }

        Interlocked.Exchange(ref bytes, sum);
        measuredAt = time.GetTimestamp();
        took = time.GetElapsedTime(began);
    }

    private void Add(OpenFolder folder, int depth)
    {
        using (folder)
        {
            while (folder.ReadSome() is { Count: > 0 } entries)
            {
                foreach (var entry in entries)
                {
                    if (left-- <= 0 || sum >= most)
                    {
                        return;
                    }

                    if (!entry.IsFolder)
                    {
                        sum += folder.Look(entry.Name.Span) is { Kind: FileKind.Plain } file ? file.Taken : 0;
                    }
                    else if (depth < Deepest && folder.EnterAsItIs(entry.Name.Span) is { } inner)
                    {
                        Add(inner, depth + 1);
                    }
                }
            }
        }
    }
}
