using System.Globalization;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Writes exit.json, once, after the journal is whole; on a full disk it waits for space.</summary>
/// <remarks>The room for the file itself is taken at the beginning, so it is written also where the wait for the
/// journal's rest is given up.</remarks>
internal sealed class ExitFile(RunDirectory directory, RunJournal journal, TimeProvider time, Func<bool> givenUp)
    : IDisposable
{
    // A record is 1 KiB, and what git said of a failure of capture is bounded.
    private const long ReserveBytes = 64 * 1024;

    // Long enough for a person to make room; after that the run counts as lost.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly ReservedFile file = ReservedFile.Take(
        directory.ExitFile, Path.Combine(directory.Root, RunDirectory.ExitReserveName), ReserveBytes);

    public void Dispose() => file.Dispose();

    internal bool Write(ExitRecord record)
    {
        var began = time.GetTimestamp();
        journal.Writer.Retry();
        while (journal.Writer.IsWaiting && time.GetElapsedTime(began) < Patience && !givenUp()
            && Directory.Exists(directory.Root))
        {
            Thread.Sleep(Pause);
            journal.Writer.Retry();
        }

        journal.Dispose();
        record = record with
        {
            EndedAt = time.GetUtcNow(),
            DroppedBytes = journal.DroppedBytes,
            LastSeq = journal.Writer.LastSeq,
            JournalBytes = journal.Writer.Bytes,
            JournalCrc = journal.Writer.Crc,
            SupervisorPeakBytes = PeakMemory(),
        };
        var bytes = JsonSerializer.SerializeToUtf8Bytes(record, ProtocolJson.Default.ExitRecord);
        while (true)
        {
            try
            {
                file.Write(bytes);
                return true;
            }
            catch (IOException full) when (time.GetElapsedTime(began) < Patience && Directory.Exists(directory.Root))
            {
                ErrorLog.Say($"berth-supervisor: {directory.ExitFile} cannot be written: {full.Message}");
                Thread.Sleep(Pause);
            }
        }
    }

    private static long PeakMemory()
    {
        const string Peak = "VmHWM:";
        var line = File.ReadLines("/proc/self/status").FirstOrDefault(line =>
            line.StartsWith(Peak, StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.AsSpan(Peak.Length).Trim(" \tkB"),
            CultureInfo.InvariantCulture) * 1024;
    }
}
