using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors;

/// <summary>A copy of the CLI that may be executed and not read.</summary>
/// <remarks>
/// The kernel lets processes of one user open each other's memory by <c>/proc/PID/mem</c>, unless the program could
/// not be read: such a process is closed to all without capabilities, also its descriptors and environment. A
/// program's mode is its file's, so this takes a file of its own: one for each version of the CLI, for all runs of a
/// home.
/// </remarks>
internal static class GuardedClaude
{
    private const string FolderName = ".cli";
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private const UnixFileMode ExecuteOnly =
        UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // A run that is being started may still be about to mount the one before.
    private const int KeptOthers = 2;

    /// <summary>The copy, made where it is missing; null for a script, which its interpreter must read.</summary>
    /// <param name="runsFolder">The folder of run directories.</param>
    /// <param name="program">The CLI, without links.</param>
    /// <exception cref="FailureException"><c>cli_not_guarded</c>.</exception>
    internal static string? Of(string runsFolder, string program)
    {
        try
        {
            if (ClaudeProgram.IsScript(program))
            {
                return null;
            }

            var original = new FileInfo(program);
            var mark = string.Create(
                CultureInfo.InvariantCulture, $"{original.Length}-{original.LastWriteTimeUtc.Ticks:x}");
            var folder = Path.Combine(runsFolder, FolderName);
            var copy = Path.Combine(folder, $"{mark}-{original.Name}");

            // After a power cut a file may be there without its content.
            if (!File.Exists(copy) || new FileInfo(copy).Length != original.Length)
            {
                Make(original, folder, copy);
            }

            return FileAccessRights.MayExecute(copy)
                ? copy
                : throw NotGuarded(program, $"{copy} may not be executed: is that disk mounted noexec?");
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw NotGuarded(program, failed.Message);
        }
    }

    /// <summary>Has another folder of run directories use the same copies.</summary>
    internal static void Share(string runsFolder, string otherFolder)
    {
        var shared = Path.Combine(runsFolder, FolderName);
        Directory.CreateDirectory(shared, Private);
        Directory.CreateSymbolicLink(Path.Combine(otherFolder, FolderName), shared);
    }

    private static void Make(FileInfo original, string folder, string copy)
    {
        Directory.CreateDirectory(folder, Private);
        foreach (var old in new DirectoryInfo(folder).EnumerateFiles()
            .OrderByDescending(file => file.CreationTimeUtc).Skip(KeptOthers))
        {
            old.Delete();
        }

        // By a rename, so that whoever finds it finds the whole of it.
        var temporary = Path.Combine(folder, $".{Guid.NewGuid():N}");
        File.Copy(original.FullName, temporary);
        File.SetUnixFileMode(temporary, ExecuteOnly);
        File.Move(temporary, copy, overwrite: true);
    }

    private static FailureException NotGuarded(string program, string why) => new(
        "cli_not_guarded",
        $"The CLI {program} could not be copied for a run that asks for approvals: {why}",
        "BERTH_HOME needs room for one copy of the CLI, on a disk that is not mounted noexec.",
        Fault.Operator);
}
