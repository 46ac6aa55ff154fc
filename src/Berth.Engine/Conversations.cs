using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Engine;

/// <summary>What the CLI remembers of a run, kept when its HOME goes, so that another run can go on with it.</summary>
/// <remarks>
/// The CLI writes it as <c>.claude/projects/FOLDER/SESSION.jsonl</c> in the agent's HOME. The agent could have put
/// anything there, so no link is followed; and it holds what the agent read and was told, so it is redacted like the
/// journal. One with more than <see cref="MostBytes"/>, or a line of more than <see cref="LongestLine"/>, is not kept.
/// </remarks>
internal static class Conversations
{
    private const string Name = "conversation.jsonl";
    private const long MostBytes = 64L * 1024 * 1024;
    private const int LongestLine = 16 * 1024 * 1024;
    private const int MostFolders = 100;

    private static readonly FileStreamOptions ForOwner = new()
    {
        Mode = FileMode.Create,
        Access = FileAccess.Write,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    };

    /// <summary>A run's conversation, or null where none is kept.</summary>
    public static string? Of(RunDirectory run) => File.Exists(FileOf(run)) ? FileOf(run) : null;

    /// <summary>There is none to go on with.</summary>
    public static FailureException Gone(string runId) => new(
        "conversation_gone",
        $"Nothing is kept here of the conversation of run {runId}.",
        "It never spoke, ended longer ago than BERTH_ARTIFACTS_LIFETIME, or was another server's. Start a new run.",
        Fault.User);

    /// <summary>Keeps it, once.</summary>
    /// <exception cref="IOException">There is no room for it.</exception>
    public static async Task KeepAsync(RunDirectory run, string session, Redactor redactor)
    {
        if (Of(run) is not null)
        {
            return;
        }

        using var found = Find(run.Home, Encoding.UTF8.GetBytes(session + ".jsonl"));
        if (found is null || RandomAccess.GetLength(found) > MostBytes)
        {
            return;
        }

        var half = FileOf(run) + ".new";
        try
        {
            if (await CopyAsync(found, half, redactor))
            {
                File.Move(half, FileOf(run), overwrite: true);
            }
        }
        finally
        {
            // Where it was moved there is none; where the disk is full, what was written is in the way.
            File.Delete(half);
        }
    }

    private static async Task<bool> CopyAsync(SafeFileHandle found, string half, Redactor redactor)
    {
        await using var source = new FileStream(found, FileAccess.Read, bufferSize: 1);
        await using var target = new FileStream(half, ForOwner);
        var isWhole = await CopyAsync(PipeReader.Create(source), target, redactor);
        await target.FlushAsync();
        RandomAccess.FlushToDisk(target.SafeFileHandle);
        return isWhole;
    }

    // Line by line. A last one without an end was cut off in the middle; the CLI bears with that.
    private static async Task<bool> CopyAsync(PipeReader source, FileStream target, Redactor redactor)
    {
        var scratch = new ArrayBufferWriter<byte>();
        while (true)
        {
            var read = await source.ReadAsync();
            var rest = read.Buffer;
            while (rest.PositionOf((byte)'\n') is { } end)
            {
                Write(rest.Slice(0, end));
                rest = rest.Slice(rest.GetPosition(1, end));
            }

            if (rest.Length > LongestLine)
            {
                return false;
            }

            if (read.IsCompleted)
            {
                if (!rest.IsEmpty)
                {
                    Write(rest);
                }

                return true;
            }

            source.AdvanceTo(rest.Start, rest.End);
        }

        void Write(ReadOnlySequence<byte> line)
        {
            target.Write(redactor.RedactLine(line.ToArray(), scratch));
            target.WriteByte((byte)'\n');
        }
    }

    /// <summary>Whether an entry of a run's directory is a conversation that was kept.</summary>
    public static bool IsName(string name) => name is Name;

    /// <summary>Where one is kept.</summary>
    public static string FileOf(RunDirectory run) => Path.Combine(run.Root, Name);

    private static SafeFileHandle? Find(string home, byte[] name)
    {
        using var folder = OpenFolder.Open(home);
        if (folder is null || folder.Enter(".claude"u8, out var config) != 0)
        {
            return null;
        }

        using (config)
        {
            if (config!.Enter("projects"u8, out var projects) != 0)
            {
                return null;
            }

            using (projects)
            {
                return FindIn(projects!, name);
            }
        }
    }

    private static SafeFileHandle? FindIn(OpenFolder projects, byte[] name)
    {
        var seen = 0;
        for (var some = projects.ReadSome(); some.Count > 0 && seen < MostFolders; some = projects.ReadSome())
        {
            foreach (var entry in some.Where(entry => entry.IsFolder).Take(MostFolders - seen))
            {
                seen++;
                if (projects.Enter(entry.Name.Span, out var project) == 0)
                {
                    using (project)
                    {
                        if (project!.OpenFile(name) is { } file)
                        {
                            return file;
                        }
                    }
                }
            }
        }

        return null;
    }
}
