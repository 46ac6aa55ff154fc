using System.Text;
using Berth.Engine;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>Writes artefacts of a run to files, or shows one.</summary>
/// <param name="surroundings">Where the command is typed.</param>
/// <param name="runs">Whose runs.</param>
/// <param name="id">The run.</param>
/// <param name="force">Whether files that are there are overwritten.</param>
internal sealed class ArtifactDownload(Surroundings surroundings, IRunService runs, string id, bool force)
{
    // What people would not read on a screen.
    private const int MostShown = 1024 * 1024;

    /// <summary>Writes one to standard output. On a screen it is made harmless first, and a pipe has it as it
    /// is.</summary>
    public async Task ShowAsync(string name, CancellationToken cancel)
    {
        if (!surroundings.Streams.OutputIsTerminal)
        {
            await runs.WriteArtefactAsync(id, name, surroundings.Streams.RawOutput, cancel);
            return;
        }

        var found = (await runs.ListArtefactsAsync(id, cancel)).FirstOrDefault(
            each => string.Equals(each.Name, name, StringComparison.Ordinal));
        if (found?.Bytes is > MostShown)
        {
            throw new FailureException(
                "usage",
                $"{name} has {Amounts.Bytes(found.Bytes.Value)}, which is more than anybody reads on a screen.",
                "Give --output FILE, or pipe it to a program.",
                Fault.User);
        }

        using var text = new MemoryStream();
        await runs.WriteArtefactAsync(id, name, text, cancel);
        text.Position = 0;
        using var reader = new StreamReader(text, Encoding.UTF8);
        while (await reader.ReadLineAsync(cancel) is { } row)
        {
            surroundings.Screen().Write(Line.Of(row));
        }
    }

    /// <summary>Writes one to a file, whole or not at all.</summary>
    /// <exception cref="FailureException"><c>file_exists</c>, <c>file_unwritable</c>.</exception>
    public async Task ToFileAsync(string name, string path, CancellationToken cancel)
    {
        var full = Path.GetFullPath(path, surroundings.CurrentDirectory);
        if (Directory.Exists(full) || (!force && Path.Exists(full)))
        {
            throw new FailureException(
                "file_exists",
                $"{path} is there already.",
                Directory.Exists(full) ? "Name a file, not a folder." : "Give --force to overwrite it.",
                Fault.User);
        }

        var half = $"{full}.{Guid.NewGuid():N}.tmp";
        try
        {
            await using (var file = new FileStream(half, FileMode.CreateNew, FileAccess.Write))
            {
                await runs.WriteArtefactAsync(id, name, file, cancel);
            }

            FileMask.GiveAsUsers(half);
            File.Move(half, full, overwrite: force);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "file_unwritable", $"{path} could not be written: {refused.Message}", "Name another place.",
                Fault.User, refused);
        }
        finally
        {
            if (File.Exists(half))
            {
                File.Delete(half);
            }
        }
    }

    /// <summary>Writes all of them into a folder, which is made where there is none.</summary>
    /// <exception cref="FailureException"><c>file_exists</c>, <c>file_unwritable</c>.</exception>
    public async Task AllAsync(string folder, CancellationToken cancel)
    {
        var screen = surroundings.Screen(onError: true);
        foreach (var each in await runs.ListArtefactsAsync(id, cancel))
        {
            // A server's word on where on this disk something goes is not taken.
            if (!ArtefactName.IsName(each.Name))
            {
                screen.Write(Line.Of($"left out {each.Name}: it is no name of a file", Tone.Warning));
                continue;
            }

            var path = Path.Combine(folder, each.Name);
            try
            {
                Directory.CreateDirectory(Path.GetFullPath(
                    Path.GetDirectoryName(path)!, surroundings.CurrentDirectory));
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                throw new FailureException(
                    "file_unwritable", $"{folder} could not be made: {refused.Message}", "Name another folder.",
                    Fault.User, refused);
            }

            try
            {
                await ToFileAsync(each.Name, path, cancel);
                screen.Write(Line.Of($"wrote {path}"));
            }
            catch (FailureException gone) when (gone.Failure.Code is "changes_gone" or "artifact_not_found")
            {
                screen.Write(Line.Of($"left out {each.Name}: {gone.Failure.Message}", Tone.Warning));
            }
        }
    }
}
