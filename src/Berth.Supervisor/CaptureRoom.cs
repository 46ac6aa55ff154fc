using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Captures when the disk has room for it, and waits for that, for the work is what the run was for.</summary>
/// <remarks>The agent is dead by then, so who makes room is somebody else. A capture that runs out of room is taken
/// back, and tried again when there is more.</remarks>
internal sealed class CaptureRoom(
    RunDirectory directory, ExecutionLimits limits, RunJournal journal, TimeProvider time, Func<bool> givenUp)
{
    /// <summary>The code of a capture that found no room.</summary>
    internal const string Code = "disk_full";

    private const long Mebi = 1024 * 1024;

    // Of the mark at which runs are stopped, so much stays for records while git writes.
    private const int ShareOfMark = 8;

    // Long enough for a person to make room.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly long began = time.GetTimestamp();
    private bool isSaid;

    private long Least => Math.Max((limits.DiskMin ?? 0) / ShareOfMark, DiskSpace.NearlyNothing);

    /// <summary>Whether so little is left that git must not write more.</summary>
    internal bool IsFull() => Free() < Least / 2;

    /// <summary>Does it, once there is room.</summary>
    internal CaptureRecord Run(Func<CaptureRecord> capture)
    {
        for (var needed = Least; ;)
        {
            if (!WaitFor(needed))
            {
                return new CaptureRecord(CaptureState.Failed, Failure: Full(
                    "There was no room on the disk to capture the run's work."));
            }

            var free = Free();
            var record = capture();
            if (record is not { State: CaptureState.Failed, Failure.Code: Code })
            {
                return record;
            }

            TakeBack();
            needed = Math.Max(Free() + Least, free + Least);
            if (time.GetElapsedTime(began) >= Patience || givenUp())
            {
                return record;
            }
        }
    }

    /// <summary>The failure of a capture without room.</summary>
    internal static Failure Full(string what) => new(
        Code, what,
        "The workspace is kept, with all of the agent's files. Free some space; berth cleanup --all helps.",
        Fault.Operator);

    private bool WaitFor(long needed)
    {
        while (Free() < needed)
        {
            if (givenUp() || time.GetElapsedTime(began) >= Patience)
            {
                return false;
            }

            Say(needed);
            Thread.Sleep(Pause);
            journal.Writer.Retry();
        }

        return true;
    }

    private void Say(long needed)
    {
        if (isSaid)
        {
            return;
        }

        isSaid = true;
        journal.Notice(string.Create(
            CultureInfo.InvariantCulture,
            $"The disk of the run has {Free() / Mebi} MiB left, and capture waits for {Math.Max(needed / Mebi, 1)}, "
            + $"up to {Patience.TotalMinutes:0} minutes. Free some space (berth cleanup --all), or give it up with "
            + $"berth cancel --force: the workspace is kept."));
        journal.Writer.Flush();
    }

    // A folder that cannot be asked about is gone, or no disk at all: then git says what is wrong.
    private long Free() => DiskSpace.Of(directory.Root)?.Free ?? long.MaxValue;

    // Git leaves its half of an object or a pack behind when the disk is full, and that is what fills it.
    private void TakeBack()
    {
        using var workspace = OpenFolder.Open(directory.Workspace);
        if (workspace?.Enter(".git"u8, out var git) == 0)
        {
            using (git)
            {
                if (git!.Enter("objects"u8, out var objects) == 0)
                {
                    RemoveHalves(objects!, depth: 1);
                }
            }
        }

        using var capture = OpenFolder.Open(directory.CaptureFolder);
        foreach (var entry in capture?.ReadSome() ?? [])
        {
            _ = capture!.Unlink(entry.Name.Span);
        }
    }

    private static void RemoveHalves(OpenFolder folder, int depth)
    {
        using (folder)
        {
            while (folder.ReadSome() is { Count: > 0 } entries)
            {
                foreach (var entry in entries)
                {
                    if (entry.Name.Span.StartsWith("tmp_"u8))
                    {
                        _ = folder.Unlink(entry.Name.Span);
                    }
                    else if (depth > 0 && entry.IsFolder && folder.Enter(entry.Name.Span, out var inner) == 0)
                    {
                        RemoveHalves(inner!, depth - 1);
                    }
                }
            }
        }
    }
}
