using System.Security.Cryptography;
using Berth.Protocol;

namespace Berth.Tests.Supervisor;

/// <summary>A clock that goes when it is told to.</summary>
internal sealed class ManualTime : TimeProvider
{
    private DateTimeOffset now = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => now.Ticks;

    public override DateTimeOffset GetUtcNow() => now;

    internal void Advance(TimeSpan by) => now += by;
}

/// <summary>A run directory that is gone after the test.</summary>
internal sealed class TemporaryRun : IDisposable
{
    internal TemporaryRun()
    {
        Directory = new RunDirectory(System.IO.Directory.CreateTempSubdirectory("berth-run-").FullName);
    }

    internal RunDirectory Directory { get; }

    public void Dispose() => System.IO.Directory.Delete(Directory.Root, recursive: true);

    internal IReadOnlyList<JournalEntry> Entries() =>
    [
        .. File.ReadAllLines(Directory.JournalFile)
            .Select(line => System.Text.Json.JsonSerializer.Deserialize(line, ProtocolJson.Default.JournalEntry)!),
    ];
}

/// <summary>Bytes without order, the same each time.</summary>
internal static class Noise
{
    internal static byte[] Bytes(int seed, int count) =>
    [
        .. Enumerable.Range(0, (count / 32) + 1)
            .SelectMany(block => SHA256.HashData(BitConverter.GetBytes((seed * 1_000_003L) + block)))
            .Take(count),
    ];
}
