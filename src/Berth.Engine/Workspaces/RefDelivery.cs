using System.Globalization;
using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>A ref beside the run's branch, as it was made.</summary>
/// <param name="Ref">Its full name, in the user's repository, or in the mirror of a URL.</param>
/// <param name="Commit">What it leads to: a commit, or an annotated tag.</param>
internal sealed record DeliveredRef(string Ref, string Commit);

/// <summary>Delivers what a run has beside its branch: other branches, stashes, tags, and one commit that leads to what
/// no branch of it led to.</summary>
/// <remarks>
/// A branch or tag of the agent's is never made under its own name, which may mean something in the user's repository:
/// it is <c>RUN-BRANCH-NAME</c>, with a number behind it where that is taken. What no branch led to is under
/// <c>refs/berth/leftovers/</c>, where no list of branches shows it. The pins in the mirror say what there is, so
/// all of it can be done again.
/// </remarks>
internal sealed class RefDelivery(WorkspaceOptions options, GitProgram git)
{
    private const int MaxNames = 20;
    private const string Heads = "heads";
    private const string Tags = "tags";

    /// <summary>Pins the refs of a bundle whose pack was taken.</summary>
    /// <returns>What git said where one cannot be; null when all is well.</returns>
    internal async Task<GitResult?> PinAsync(
        RunWorkspace run, IReadOnlyList<WorkRef> refs, CancellationToken cancellation)
    {
        var here = GitRepository.Ours(run.Mirror);
        foreach (var one in refs)
        {
            // A branch is a commit; a tag may be an object of its own, and leads to one that is here.
            var wanted = one.Kind is Tags ? $"{one.Id}^{{}}" : $"{one.Id}^{{commit}}";
            var found = await git.ResolveAsync(here, wanted, cancellation).ConfigureAwait(false);
            if (!found.Succeeded
                || (one.Kind is not Tags && !string.Equals(found.Line, one.Id, StringComparison.Ordinal)))
            {
                return found;
            }

            var pinned = await git.UpdateRefAsync(
                here, $"{PinsOf(run)}{one.Kind}/{one.Name}", one.Id, mustBeNew: false, cancellation)
                .ConfigureAwait(false);
            if (!pinned.Succeeded)
            {
                return pinned;
            }
        }

        return null;
    }

    /// <summary>The names of the pins in the mirror.</summary>
    internal async Task<IReadOnlyList<string>> PinsAsync(RunWorkspace run, CancellationToken cancellation) =>
        [.. (await ReadAsync(run, cancellation).ConfigureAwait(false)).Select(
            one => $"{PinsOf(run)}{one.Kind}/{one.Name}")];

    /// <summary>Makes them appear.</summary>
    internal async Task<IReadOnlyList<DeliveredRef>> DeliverAsync(
        RunWorkspace run, string branch, CancellationToken cancellation)
    {
        var refs = await ReadAsync(run, cancellation).ConfigureAwait(false);
        if (refs.Count == 0)
        {
            return [];
        }

        var target = Delivery.TargetOf(run);
        if (!target.IsOurs)
        {
            await BringAsync(run, target, refs, cancellation).ConfigureAwait(false);
        }

        var made = new List<DeliveredRef>();
        foreach (var one in refs)
        {
            made.Add(await MakeAsync(run, target, branch, one, cancellation).ConfigureAwait(false));
        }

        return made;
    }

    private async Task BringAsync(
        RunWorkspace run, GitRepository target, IReadOnlyList<WorkRef> refs, CancellationToken cancellation)
    {
        if (await new Delivery(options, git).TakePackAsync(run, target, head: null, cancellation).ConfigureAwait(false))
        {
            return;
        }

        foreach (var one in refs)
        {
            var fetched = await git.FetchObjectsAsync(
                target, run.Mirror, $"{PinsOf(run)}{one.Kind}/{one.Name}", options.TransferTimeout, cancellation)
                .ConfigureAwait(false);
            if (!fetched.Succeeded)
            {
                throw Delivery.Failed(run, fetched);
            }
        }
    }

    private async Task<DeliveredRef> MakeAsync(
        RunWorkspace run, GitRepository target, string branch, WorkRef one, CancellationToken cancellation)
    {
        GitResult? last = null;
        foreach (var name in NamesOf(run, branch, one))
        {
            last = await git.UpdateRefAsync(target, name, one.Id, mustBeNew: true, cancellation).ConfigureAwait(false);
            var isThere = last.Succeeded
                || string.Equals(
                    (await git.ResolveAsync(target, name, cancellation).ConfigureAwait(false)).Line, one.Id,
                    StringComparison.Ordinal);
            if (isThere)
            {
                return new DeliveredRef(name, one.Id);
            }

            if (last.Problem is not (GitProblem.RefExists or GitProblem.Corrupt or GitProblem.Locked))
            {
                break;
            }
        }

        throw Delivery.Failed(run, last!);
    }

    private static IEnumerable<string> NamesOf(RunWorkspace run, string branch, WorkRef one)
    {
        var name = one.Kind is Heads or Tags
            ? $"refs/{one.Kind}/{branch}-{one.Name}"
            : $"refs/berth/leftovers/{run.RunId}";
        yield return name;
        for (var number = 2; number <= MaxNames; number++)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}-{number}");
        }
    }

    private async Task<List<WorkRef>> ReadAsync(RunWorkspace run, CancellationToken cancellation)
    {
        var listed = await git.ListRefsAsync(
            GitRepository.Ours(run.Mirror), [PinsOf(run).TrimEnd('/')], WorkRefs.Max, cancellation)
            .ConfigureAwait(false);
        if (!listed.Succeeded)
        {
            throw GitFailures.OfOurs("Listing what the run left on other branches", listed);
        }

        return
        [
            .. from line in listed.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
               let words = line.Split(' ', 2)
               let parts = words[1][PinsOf(run).Length..].Split('/')
               select new WorkRef(parts[0], parts[1], words[0]),
        ];
    }

    private static string PinsOf(RunWorkspace run) => $"refs/berth/runs/{run.RunId}/refs/";
}
