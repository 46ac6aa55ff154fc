using Berth.Protocol.Posix;

namespace Berth.SystemTests.EndToEnd;

/// <summary>
/// A file's object of the user's repository that cannot be read to its end: the clone that needs it is under way for
/// as long as the test wants.
/// </summary>
/// <remarks>The object's file is a pipe: who opens it waits until somebody writes.</remarks>
internal sealed class BlockedObject : IAsyncDisposable
{
    private readonly BerthHome home;
    private readonly string path;
    private readonly byte[] content;

    private BlockedObject(BerthHome home, string path, byte[] content)
    {
        this.home = home;
        this.path = path;
        this.content = content;
    }

    /// <summary>Blocks the one file of the home's repository.</summary>
    public static async Task<BlockedObject> InAsync(BerthHome home, CancellationToken cancel)
    {
        var id = (await home.GitAsync(cancel, "rev-parse", "HEAD:README.md")).Trim();
        var file = Path.Combine(home.Repository, ".git", "objects", id[..2], id[2..]);
        var bytes = await File.ReadAllBytesAsync(file, cancel);
        File.Delete(file);
        using var made = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/usr/bin/mkfifo",
            Arguments = [file],
            Environment = new Dictionary<string, string>(StringComparer.Ordinal),
        });
        await made.Exit.WaitAsync(BerthHome.Patience, cancel);
        return new BlockedObject(home, file, bytes);
    }

    /// <summary>Waits until a git of Berth's waits for the object.</summary>
    public Task WhenReadAsync() =>
        Eventually.TrueAsync(() => IsRead, "git reads the object", BerthHome.Patience);

    /// <summary>Waits until no git of Berth's waits for the object any more.</summary>
    public Task WhenLeftAsync() => Eventually.TrueAsync(
        () => !IsRead && HomeRuns.ProcessesWith(home.Repository).Count == 0,
        "no git is left in the repository",
        BerthHome.Patience);

    /// <summary>Puts the object back, for who comes from now on.</summary>
    public void GiveBack()
    {
        if (!File.Exists(path + ".real"))
        {
            File.WriteAllBytes(path + ".real", content);
            File.Move(path + ".real", path, overwrite: true);
        }
    }

    public ValueTask DisposeAsync()
    {
        GiveBack();
        return ValueTask.CompletedTask;
    }

    private bool IsRead => HomeRuns.ProcessesWith("pack-objects").Any(process => IsHere(process.Pid));

    private bool IsHere(int pid)
    {
        try
        {
            var folder = new DirectoryInfo($"/proc/{pid}/cwd").ResolveLinkTarget(returnFinalTarget: true)?.FullName;
            return folder is not null && folder.StartsWith(home.Repository, StringComparison.Ordinal);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
