using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>Takes over what an agent has left in <c>$BERTH_ARTIFACTS</c>, at the end of its run.</summary>
/// <remarks>
/// Constraints: the folder is the agent's, so no link is followed, nothing but plain files is opened, and files, their
/// names, their number and their size are bounded. Secrets are taken out of contents and names. What is not taken is
/// said, and fails nothing. The host may be killed at any moment: the copies are made in a folder beside the final
/// one, which that becomes by one rename, and until then all is done again.
/// </remarks>
internal sealed class ArtefactHarvest
{
    /// <summary>How many files are taken.</summary>
    public const int MostFiles = 1000;

    /// <summary>How many entries are looked at, folders and what is not taken too.</summary>
    public const int MostEntries = 10_000;

    private const string HalfName = RunDirectory.ArtifactsName + ".new";
    private const int ReasonsListed = 20;
    private const int LongestShownName = 200;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly RunDirectory run;
    private readonly Redactor redactor;
    private readonly long mostBytes;
    private readonly CancellationToken deadline;
    private readonly HashSet<string> taken = new(StringComparer.Ordinal);
    private readonly List<string> reasons = [];
    private int unlisted;
    private int entriesLeft = MostEntries;
    private long bytes;

    private ArtefactHarvest(RunDirectory run, Redactor redactor, long mostBytes, CancellationToken deadline) =>
        (this.run, this.redactor, this.mostBytes, this.deadline) = (run, redactor, mostBytes, deadline);

    private string Half => Path.Combine(run.Root, HalfName);

    /// <summary>What a killed harvest or removal has left in a run directory.</summary>
    public static IReadOnlyList<string> Leftovers { get; } = [HalfName, Artefacts.GoneName];

    /// <summary>Takes the files over. May be called again.</summary>
    /// <param name="run">The run; its agent has ended.</param>
    /// <param name="redactor">Knows its secrets.</param>
    /// <param name="mostBytes">How much they may hold together.</param>
    /// <param name="deadline">Leaves out what was not reached.</param>
    public static async Task<ArtefactRecord> TakeAsync(
        RunDirectory run, Redactor redactor, long mostBytes, CancellationToken deadline)
    {
        var harvest = new ArtefactHarvest(run, redactor, mostBytes, deadline);
        try
        {
            await harvest.TakeAsync();
        }
        catch (Exception full) when (full is IOException or UnauthorizedAccessException)
        {
            // What was written is in the way of what may be next on a full disk.
            SafeDeletion.Remove(run.Root, [HalfName], CancellationToken.None);
            return new ArtefactRecord(0, 0, [$"All artefacts were left out: {full.Message}"]);
        }

        return harvest.Record();
    }

    private async Task TakeAsync()
    {
        SafeDeletion.Remove(run.Root, [HalfName, RunDirectory.ArtifactsName], CancellationToken.None);
        using var root = OpenFolder.Open(run.Root);
        if (root is null || root.Enter(Encoding.UTF8.GetBytes(RunDirectory.ArtifactsInsideName), out var folder) != 0)
        {
            return;
        }

        using (folder)
        {
            await TakeFolderAsync(folder!, string.Empty, depth: 1);
        }

        if (taken.Count == 0)
        {
            return;
        }

        // After the last one is written: then most of the waiting for the disk is done once.
        foreach (var name in taken)
        {
            using var file = File.OpenHandle(Path.Combine(Half, name), access: FileAccess.Write);
            RandomAccess.FlushToDisk(file);
        }

        Directory.Move(Half, run.ArtifactsFolder);
    }

    // Sorted, so that of too many the same ones are taken each time.
    private async Task TakeFolderAsync(OpenFolder folder, string prefix, int depth)
    {
        foreach (var name in NamesIn(folder, prefix))
        {
            if (ArtefactName.PartOf(name) is not { } part)
            {
                LeaveOut(prefix + Encoding.UTF8.GetString(name), "its name is not one that is kept");
            }
            else if (depth > ArtefactName.MostParts)
            {
                LeaveOut(prefix, Text($"it is more than {ArtefactName.MostParts - 1} folders deep"));
                return;
            }
            else if (folder.Look(name) is { } found)
            {
                await TakeEntryAsync(folder, name, prefix + part, found, depth);
            }
        }
    }

    private async Task TakeEntryAsync(OpenFolder folder, byte[] name, string path, FileStatus found, int depth)
    {
        if (found.Kind == FileKind.Plain)
        {
            await TakeFileAsync(folder, name, path, found);
        }
        else if (found.Kind != FileKind.Folder)
        {
            LeaveOut(path, found.Kind == FileKind.Link ? "it is a link" : "it is no plain file");
        }
        else if (folder.Enter(name, out var inner) is not 0 and var error)
        {
            LeaveOut(path, Marshal.GetPInvokeErrorMessage(error));
        }
        else
        {
            using (inner)
            {
                await TakeFolderAsync(inner!, path + "/", depth + 1);
            }
        }
    }

    private async Task TakeFileAsync(OpenFolder folder, byte[] name, string path, FileStatus found)
    {
        var shown = redactor.Redact(path);
        var why = deadline.IsCancellationRequested ? "the time for it was over"
            : taken.Count >= MostFiles ? Text($"a run has at most {MostFiles} of them")
            : found.Length > mostBytes - bytes ? Text($"a run's may have at most {mostBytes} bytes together")
            : !ArtefactName.IsPath(shown) || taken.Contains(shown) ? "its name held a secret"
            : null;
        if (why is not null)
        {
            LeaveOut(path, why);
            return;
        }

        using var file = folder.OpenFile(name);
        if (file is null)
        {
            LeaveOut(path, "it cannot be opened");
            return;
        }

        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Half, shown))!, Private);
            var most = mostBytes - bytes;
            if (await ArtefactCopy.MakeAsync(file, Path.Combine(Half, shown), most, redactor, deadline) is { } length)
            {
                taken.Add(shown);
                bytes += length;
                return;
            }

            LeaveOut(path, Text($"a run's may have at most {mostBytes} bytes together"));
        }
        catch (Exception unwritten) when (unwritten is IOException or UnauthorizedAccessException)
        {
            // Of two files one of which has the name of the other's folder, and where the disk is full.
            LeaveOut(path, unwritten.Message);
        }
        catch (OperationCanceledException)
        {
            LeaveOut(path, "the time for it was over");
        }
    }

    private List<byte[]> NamesIn(OpenFolder folder, string prefix)
    {
        var names = new List<byte[]>();
        while (entriesLeft > 0 && folder.ReadSome() is { Count: > 0 } some)
        {
            names.AddRange(some.Take(entriesLeft).Select(entry => entry.Name.ToArray()));
            entriesLeft -= Math.Min(entriesLeft, some.Count);
            if (entriesLeft == 0)
            {
                LeaveOut(prefix + "…", Text($"only {MostEntries} entries are looked at"));
            }
        }

        names.Sort((one, other) => one.AsSpan().SequenceCompareTo(other));
        return names;
    }

    private void LeaveOut(string path, string why)
    {
        if (reasons.Count >= ReasonsListed)
        {
            unlisted++;
            return;
        }

        var name = redactor.Redact(path);
        var shown = name.Length <= LongestShownName ? name : name[..LongestShownName] + "…";
        reasons.Add($"The artefact {shown} was left out: {why}.");
    }

    private ArtefactRecord Record() => new(
        taken.Count,
        bytes,
        unlisted == 0 ? reasons : [.. reasons, Text($"{unlisted} more artefacts were left out.")]);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
