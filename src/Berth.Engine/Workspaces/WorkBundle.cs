using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>The bundle that capture left: a header that names commits, and a pack. All of it is the agent's
/// word.</summary>
internal sealed class WorkBundle : IAsyncDisposable
{
    private WorkBundle(FileStream pack, BundleHeader header)
    {
        Pack = pack;
        Tip = header.Tip;
        Refs = header.Refs;
    }

    /// <summary>The pack: the file, read up to where the pack begins.</summary>
    internal FileStream Pack { get; }

    /// <summary>The run's last commit, as the bundle has it; null where only other refs have something.</summary>
    internal string? Tip { get; }

    /// <summary>What else it has: a kind and a plain name, and the object that it leads to.</summary>
    internal IReadOnlyList<WorkRef> Refs { get; }

    public ValueTask DisposeAsync() => Pack.DisposeAsync();

    /// <summary>Opens the bundle of a run, or gives null where there is none.</summary>
    /// <exception cref="FailureException"><c>bundle_refused</c>.</exception>
    internal static async Task<WorkBundle?> OpenAsync(RunWorkspace run, long most, CancellationToken cancellation)
    {
        var file = new FileInfo(run.RunDirectory.BundleFile);
        if (new DirectoryInfo(run.RunDirectory.CaptureFolder).LinkTarget is not null || file.LinkTarget is not null)
        {
            throw Refuse(run, "it is a symbolic link");
        }

        if (Directory.Exists(file.FullName) || (file.Exists && file.Length == 0))
        {
            // Of pipes, sockets and devices the length is 0, and opening one could take for ever.
            throw Refuse(run, "it is not a regular file, or empty");
        }

        if (!file.Exists)
        {
            return null;
        }

        if (file.Length > most)
        {
            throw Refuse(run, $"it has {file.Length} bytes and may have {most}");
        }

        var stream = new FileStream(file.FullName, FileMode.Open, FileAccess.Read, FileShare.Read);
        try
        {
            return new WorkBundle(stream, await ReadHeaderAsync(stream, run, cancellation).ConfigureAwait(false));
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    internal static FailureException Refuse(RunWorkspace run, string why) => new(
        "bundle_refused",
        $"The commits of the run were not taken from {run.RunDirectory.BundleFile}: {why}.",
        "The workspace is kept. Look at it with care: whatever runs there may have been left by the agent.",
        Fault.Agent);

    private static async Task<BundleHeader> ReadHeaderAsync(
        FileStream stream, RunWorkspace run, CancellationToken cancellation)
    {
        var buffer = new byte[(int)Math.Min(BundleHeader.MaxBytes, stream.Length)];
        await stream.ReadExactlyAsync(buffer, cancellation).ConfigureAwait(false);
        var header = BundleHeader.Read(buffer, run.Branch, out var problem);
        stream.Position = header?.Length ?? 0;
        return header ?? throw Refuse(run, problem!);
    }
}
