using System.ComponentModel;
using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>What <c>berth doctor</c> starts in the agent's place: it tries each protection from inside, and says which
/// holds.</summary>
/// <remarks>A line for each, on standard output: <see cref="ProtectionLine"/>. What is tried does no harm where it
/// succeeds.</remarks>
internal static class ProtectionTrial
{
    private const int Usage = 64;
    private const int NoSuchDevice = 6;
    private const int Kill = 9;

    /// <summary>Does it. <c>try CLAUDE BYTES</c>: the CLI's path, and the bound of /dev/shm.</summary>
    internal static int Run(string[] words)
    {
        if (words is not [_, var claude, var bytes]
            || !long.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out var bound))
        {
            Console.Error.WriteLine("berth-supervisor: try CLAUDE BYTES");
            return Usage;
        }

        ProtectionLine[] lines =
        [
            SystemCalls(), Streams(), SharedMemory(bound), CliFolder(claude), CliMemory(claude),
        ];
        foreach (var line in lines)
        {
            Console.Out.WriteLine(line.ToString());
        }

        return 0;
    }

    private static ProtectionLine SystemCalls()
    {
        var open = AgentFilter.TryAll();
        return new(
            ProtectionLine.SystemCalls,
            open.Count == 0,
            open.Count == 0
                ? $"{AgentFilter.CallCount} are refused, keyrings, ptrace, io_uring and odd sockets among them"
                : $"not refused: {string.Join(", ", open)}");
    }

    private static ProtectionLine Streams()
    {
        int[] numbers = [0, 1, 2];
        var open = numbers.Where(number => Opening.Error(
            $"/proc/self/fd/{number}", forWriting: number > 0) != NoSuchDevice).ToList();
        return new(
            ProtectionLine.Streams,
            open.Count == 0,
            open.Count == 0 ? "sockets, which cannot be opened again"
                : $"can be opened again by other processes: {string.Join(", ", open)}");
    }

    private static ProtectionLine SharedMemory(long bound)
    {
        const string Folder = "/dev/shm";
        var size = new DriveInfo(Folder).TotalSize;
        var device = Opening.Error("/dev/berth-try", forWriting: true);
        var isBounded = size <= bound && device != 0;
        return new(
            ProtectionLine.SharedMemory,
            isBounded,
            string.Create(CultureInfo.InvariantCulture, $"{Folder} holds {size} bytes of at most {bound}; ")
                + (device == 0 ? "/dev can be written" : "/dev cannot be written"));
    }

    private static ProtectionLine CliFolder(string claude)
    {
        var folder = Path.GetDirectoryName(claude)!;
        var others = Directory.EnumerateFileSystemEntries(folder).Where(
            path => !string.Equals(path, claude, StringComparison.Ordinal)).Take(3).ToList();
        return new(
            ProtectionLine.CliFolder,
            others.Count == 0,
            others.Count == 0 ? "the CLI's file alone" : $"the CLI's package: {string.Join(", ", others)} and more");
    }

    private static ProtectionLine CliMemory(string claude)
    {
        try
        {
            using var cli = ChildProcess.Start(new ChildProcessStart
            {
                FileName = claude,
                Arguments = ["--version"],
                Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["HOME"] = "/tmp" },
            });
            var error = Opening.Error(
                string.Create(CultureInfo.InvariantCulture, $"/proc/{cli.Id}/mem"), forWriting: true);
            _ = cli.Signal(Kill);
            return new(
                ProtectionLine.CliMemory,
                error != 0,
                error != 0 ? "closed to other processes in runs that ask for approvals"
                    : "open to the run's other processes, for this CLI is a script");
        }
        catch (Win32Exception failed)
        {
            return new(ProtectionLine.CliMemory, false, $"{claude} could not be started: {failed.Message}");
        }
    }
}
