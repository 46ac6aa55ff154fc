using System.Text.Json;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>The journal under the cap of the run: past it, only what must be kept is written.</summary>
internal sealed class RunJournal(JournalWriter writer, RunDirectory directory, ExecutionLimits limits) : IDisposable
{
    // What results come to past the cap, all together. Any process inside can forge them.
    private const long MostLateResults = 64L * 1024 * 1024;
    private long late;
    private long spilled;
    private long dropped;
    private int spills;
    private bool announced;

    internal JournalWriter Writer => writer;

    /// <summary>Bytes of the agent's output that the journal did not take, for the cap or for a full disk.</summary>
    internal long DroppedBytes => Interlocked.Read(ref dropped) + writer.DroppedBytes;

    /// <summary>Whether so much more would pass the cap. Says so in the journal, the first time.</summary>
    internal bool IsFull(int more)
    {
        if (!Passes(more))
        {
            return false;
        }

        if (!announced)
        {
            announced = true;
            writer.AppendEvent(BerthEvents.JournalFull, data => data.WriteNumber("bytes"u8, limits.JournalBytes));
        }

        return true;
    }

    /// <summary>Whether a result is kept: past the cap too, up to a bound of its own.</summary>
    internal bool TakesResult(int bytes)
    {
        if (!Passes(bytes))
        {
            return true;
        }

        if (!HasRoomForLate(bytes))
        {
            return !IsFull(bytes);
        }

        KeepLate(bytes);
        return true;
    }

    /// <summary>Whether a result of that size would still be kept past the cap.</summary>
    internal bool HasRoomForLate(long bytes) => late + bytes <= MostLateResults;

    /// <summary>A result was kept past the cap.</summary>
    internal void KeepLate(long bytes) => late += bytes;

    internal void Drop(long count) => Interlocked.Add(ref dropped, count);

    internal SpillFile Spill(string stream)
    {
        spills++;
        return new SpillFile(directory.SpillFolder, $"{stream}-{spills}.txt", count => spilled += count);
    }

    internal void Event(string type, Action<Utf8JsonWriter>? fields = null) => writer.AppendEvent(type, fields);

    internal void Phase(string phase) => Event(BerthEvents.Phase, data => data.WriteString("phase"u8, phase));

    internal void Notice(string message) => Event(BerthEvents.Notice, data => data.WriteString("message"u8, message));

    public void Dispose() => writer.Dispose();

    private bool Passes(int more) => writer.Bytes + spilled + more > limits.JournalBytes;
}
