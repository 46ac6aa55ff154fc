using System.Text;
using System.Text.RegularExpressions;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>The bundle that capture left: a header that names commits, and a pack. All of it is the agent's
/// word.</summary>
internal sealed partial class WorkBundle : IAsyncDisposable
{
    private const int MaxHeaderBytes = 1024 * 1024;

    private WorkBundle(FileStream pack, string tip)
    {
        Pack = pack;
        Tip = tip;
    }

    /// <summary>The pack: the file, read up to where the pack begins.</summary>
    internal FileStream Pack { get; }

    /// <summary>The run's last commit, as the bundle has it.</summary>
    internal string Tip { get; }

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
            return new WorkBundle(stream, await ReadTipAsync(stream, run, cancellation).ConfigureAwait(false));
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

    private static async Task<string> ReadTipAsync(FileStream stream, RunWorkspace run, CancellationToken cancellation)
    {
        var buffer = new byte[(int)Math.Min(MaxHeaderBytes, stream.Length)];
        await stream.ReadExactlyAsync(buffer, cancellation).ConfigureAwait(false);
        var end = buffer.AsSpan().IndexOf("\n\n"u8);
        var header = end < 0 ? [] : Encoding.UTF8.GetString(buffer, 0, end).Split('\n');
        if (header.Length == 0 || header[0] is not ("# v2 git bundle" or "# v3 git bundle"))
        {
            throw Refuse(run, "it is no git bundle");
        }

        if (header.Any(line => line.StartsWith("@filter", StringComparison.Ordinal)))
        {
            throw Refuse(run, "it leaves objects out");
        }

        var refs = header.Select(line => RefLine().Match(line)).Where(match => match.Success)
            .ToLookup(match => match.Groups["name"].Value, match => match.Groups["id"].Value, StringComparer.Ordinal);
        var tip = refs["HEAD"].Concat(refs[$"refs/heads/{run.Branch}"]).FirstOrDefault();
        stream.Position = end + 2;
        return tip ?? throw Refuse(run, "it has neither HEAD nor the run's branch");
    }

    [GeneratedRegex(
        "^(?<id>[0-9a-f]{40}|[0-9a-f]{64}) (?<name>.+)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        1000)]
    private static partial Regex RefLine();
}
