using System.Globalization;
using Berth.SystemTests.Executors;
using Xunit;
using Xunit.Sdk;

namespace Berth.SystemTests.EndToEnd;

/// <summary>A home on a disk of its own, which holds little.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private const long Mebi = 1024 * 1024;

    private readonly long bytes;

    private SmallDisk(BerthHome home, long bytes) => (Home, this.bytes) = (home, bytes);

    public BerthHome Home { get; }

    private string Filling => Path.Combine(Home.Home, "filling");

    /// <summary>Makes a home on a disk of so many MiB; skips the test where that cannot be done.</summary>
    public static async Task<SmallDisk> CreateAsync(long mebibytes, CancellationToken cancel)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can make a small disk.");
        var disk = new SmallDisk(await BerthHome.CreateAsync(cancel), mebibytes * Mebi);
        Directory.CreateDirectory(disk.Home.Home);
        var size = string.Create(CultureInfo.InvariantCulture, $"size={disk.bytes},mode=0700");
        await ExecutorStage.ToolAsync("mount", ["-t", "tmpfs", "-o", size, "berth-test", disk.Home.Home]);
        disk.Home.Set("BERTH_MIN_DISK", "1M");
        return disk;
    }

    /// <summary>Writes until nothing more finds room.</summary>
    public void Fill()
    {
        try
        {
            using var file = File.Create(Filling, bufferSize: 1);
            var block = new byte[4096];
            for (var written = 0L; written < bytes; written += block.Length)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            // Now it is full.
        }
    }

    /// <summary>Makes room again.</summary>
    public void Empty() => File.Delete(Filling);

    /// <summary>Whether nothing finds room any more.</summary>
    public bool IsFull => new DriveInfo(Home.Home).AvailableFreeSpace < 64 * 1024;

    public async ValueTask DisposeAsync()
    {
        // What still has it open has a moment to end.
        await Eventually.TrueAsync(
            async () =>
            {
                try
                {
                    await ExecutorStage.ToolAsync("umount", [Home.Home]);
                    return true;
                }
                catch (XunitException)
                {
                    return false;
                }
            },
            "the small disk is let go",
            BerthHome.Patience);
        await Home.DisposeAsync();
    }
}
