using Berth.Engine.Executors;
using Berth.Engine.Workflows;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>In which folder of the repository a run begins.</summary>
/// <remarks>
/// Named by the request, else by the workflow, else where the user stands or what part of the repository he named: in
/// a monorepo that is the project, and its instructions are the ones that count.
/// </remarks>
/// <param name="Path">Below the top of the repository, without a slash at either end; empty for the top.</param>
/// <param name="IsNamed">Whether somebody named it, and did not just stand there.</param>
internal sealed record StartDirectory(string Path, bool IsNamed)
{
    private const int MaxLength = 1024;
    private const string Hint =
        "Name a folder of the repository as it is seen from its top, such as --directory services/shop, or . for the "
        + "top.";

    /// <summary>The top.</summary>
    public static StartDirectory Top { get; } = new(string.Empty, IsNamed: false);

    /// <summary>Decides.</summary>
    /// <exception cref="FailureException"><c>directory_invalid</c>.</exception>
    public static StartDirectory Decide(RunRequest request, WorkflowSettings workflow, RepositorySource source)
    {
        if ((request.Directory ?? workflow.Directory) is { } named)
        {
            return new StartDirectory(Read(named, source), IsNamed: true);
        }

        return source.Kind == RepositoryKind.Path ? new StartDirectory(WhereItStands(request, source), false) : Top;
    }

    /// <summary>The same, where the commit that the run starts from has it. Of a URL that is found out when it has been
    /// fetched.</summary>
    /// <exception cref="FailureException"><c>directory_not_found</c>.</exception>
    public async Task<StartDirectory> CheckedAsync(
        RepositoryWorkspaces workspaces, RepositorySource source, string? commit, CancellationToken cancel)
    {
        if (Path.Length == 0 || source.Kind == RepositoryKind.Url)
        {
            return this;
        }

        if (commit is null && !IsNamed)
        {
            return Top;
        }

        return commit is not null && await workspaces.HasFolderAsync(source, commit, Path, cancel)
            ? this
            : throw NotFound(Path, source.Location, commit);
    }

    /// <summary>What to tell somebody who did not name it.</summary>
    public IEnumerable<string> Notices => IsNamed || Path.Length == 0
        ? []
        : [$"The run begins in {Path}, the part of the repository that you are in; --directory . begins at its top."];

    /// <summary>Reads what somebody wrote: a path below the top, or an absolute one inside a repository that is a
    /// path.</summary>
    /// <exception cref="FailureException"><c>directory_invalid</c>.</exception>
    public static string Read(string text, RepositorySource? source)
    {
        if (text.Length is 0 or > MaxLength || text.Any(char.IsControl))
        {
            throw Invalid(text.Length > MaxLength ? text[..MaxLength] : text, "is empty, too long, or holds a control "
                + "character");
        }

        if (text[0] == '/')
        {
            return source is { Kind: RepositoryKind.Path } && RealPath.Of(text) is { } real
                && RealPath.IsWithin(real, source.Location)
                    ? Below(real, source)
                    : throw Invalid(text, "is not inside the repository");
        }

        var parts = text.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part is not ".").ToList();
        if (parts.Contains("..", StringComparer.Ordinal))
        {
            throw Invalid(text, "leads out of the repository, or seems to");
        }

        return parts.Contains(".git", StringComparer.OrdinalIgnoreCase)
            ? throw Invalid(text, "is git's own folder")
            : string.Join('/', parts);
    }

    /// <summary>The failure for a folder that is not in the commit.</summary>
    public static FailureException NotFound(string directory, string repository, string? commit) => new(
        "directory_not_found",
        commit is null
            ? $"--directory {directory}: {repository} has no commit yet, and so no such folder."
            : $"--directory {directory}: the commit {commit[..Math.Min(12, commit.Length)]} of {repository} has no "
                + "such folder (links and submodules are none).",
        "A run begins in a folder that is committed. --directory . begins at the top of the repository.",
        Fault.User);

    // Where a bare repository lies says nothing of its files, and neither does git's own folder.
    private static string WhereItStands(RunRequest request, RepositorySource source)
    {
        var named = request.Repository ?? request.CurrentDirectory;
        var place = System.IO.Path.GetFullPath(named, request.CurrentDirectory);
        if (!System.IO.Path.Exists(System.IO.Path.Combine(source.Location, ".git"))
            || RealPath.Of(place) is not { } real || !RealPath.IsWithin(real, source.Location))
        {
            return string.Empty;
        }

        var below = Below(real, source);
        return below.Split('/')[0] is ".git" ? string.Empty : below;
    }

    private static string Below(string real, RepositorySource source) => real[source.Location.Length..].Trim('/');

    private static FailureException Invalid(string text, string why) =>
        new("directory_invalid", $"--directory {text} {why}.", Hint, Fault.User);
}
