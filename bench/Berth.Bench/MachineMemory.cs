using System.Globalization;

namespace Berth.Bench;

/// <summary>What all processes of the machine have in memory, shared pages by their share.</summary>
internal static class MachineMemory
{
    private const double KiBInMiB = 1024;

    /// <summary>The sum in MiB, and how much of it is the CLI's own.</summary>
    public static (double All, double Claude) Read()
    {
        double all = 0;
        double claude = 0;
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(IsProcess))
        {
            var size = PssOf(folder);
            all += size;
            claude += IsClaude(folder) ? size : 0;
        }

        return (all, claude);
    }

    private static bool IsProcess(string folder) => Path.GetFileName(folder).All(char.IsAsciiDigit);

    private static bool IsClaude(string folder)
    {
        try
        {
            return Path.GetFileName(File.ResolveLinkTarget(folder + "/exe", returnFinalTarget: false)?.FullName)
                is "claude";
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // It has ended, or is one of the kernel's, or init in a machine that forbids a look.
            return false;
        }
    }

    private static double PssOf(string folder)
    {
        try
        {
            var line = File.ReadLines(folder + "/smaps_rollup")
                .FirstOrDefault(line => line.StartsWith("Pss:", StringComparison.Ordinal));
            return line is null
                ? 0
                : double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
                    CultureInfo.InvariantCulture) / KiBInMiB;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // It has ended, or is one of the kernel's; without root also somebody else's.
            return 0;
        }
    }
}
