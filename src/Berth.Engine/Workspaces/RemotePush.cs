using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>Sends a run's branch to its remote.</summary>
/// <remarks>
/// What is sent is looked through for secrets first. The branch is made in one step that fails where it exists with
/// other work; then the next free name is taken. Nothing is forced. Pushing twice gives the same branch. A remote that
/// is down is asked again a few times; one that refuses is not.
/// </remarks>
internal sealed class RemotePush(WorkspaceOptions options, GitProgram git, TimeProvider time)
{
    private const int MaxNames = 20;
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(4)];

    private static readonly string[] Taken =
        ["(stale info)", "(fetch first)", "(non-fast-forward)", "(already exists)"];

    // So a server speaks where somebody makes the branch at this moment, maybe the git of a host that was killed; and
    // one whose branches are files, where one of the name's folders is a branch, or the name is a folder.
    private static readonly string[] InTheWay =
    [
        "reference already exists", "cannot lock ref", "failed to update ref", "failed to lock",
        "directory/file conflict",
    ];

    /// <summary>Sends it.</summary>
    /// <param name="run">The run's part in its repository.</param>
    /// <param name="head">The last commit.</param>
    /// <param name="push">Where to and as what, and what earlier calls came to.</param>
    /// <param name="secrets">What must not be sent; null for not looking.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>What it came to. A failure is in it, and not thrown.</returns>
    internal async Task<PushRecord> RunAsync(
        RunWorkspace run, string head, PushRecord push, Redactor? secrets, CancellationToken cancellation)
    {
        try
        {
            if (secrets is not null && await FindSecretsAsync(run, head, secrets, cancellation).ConfigureAwait(false)
                is { Count: > 0 } found)
            {
                return push with { State = PushState.Blocked, Error = Blocked(run, found) };
            }

            return await SendAsync(run, head, push, cancellation).ConfigureAwait(false);
        }
        catch (FailureException failed)
        {
            return push with { State = PushState.Failed, Error = failed.Failure };
        }
    }

    /// <summary>Looks through a run's commits.</summary>
    /// <returns>Where secrets are: files with lines, messages, names.</returns>
    internal async Task<IReadOnlyList<string>> FindSecretsAsync(
        RunWorkspace run, string head, Redactor secrets, CancellationToken cancellation)
    {
        await using var scan = new OutgoingScan(secrets);
        var range = run.BaseCommit is { } from ? $"{from}..{head}" : head;
        var written = await git.WriteOutgoingAsync(run.Mirror, range, scan, options.WorkTimeout, cancellation)
            .ConfigureAwait(false);
        if (!written.Succeeded)
        {
            throw GitFailures.OfOurs("Reading what is to be pushed", written);
        }

        return [.. scan.Finds];
    }

    private static Failure Blocked(RunWorkspace run, IReadOnlyList<string> places) => new(
        "push_blocked_by_secret",
        $"Nothing was pushed: a secret of the run is in {string.Join(", ", places)}.",
        $"The work is kept on the branch. Look at it, and if that is no secret: "
            + $"berth deliver {run.RunId} --allow-secrets",
        Fault.Agent);

    private async Task<PushRecord> SendAsync(
        RunWorkspace run, string head, PushRecord push, CancellationToken cancellation)
    {
        var names = BranchName.Alternatives(push.Branch, MaxNames).ToList();
        var wasTriedAgain = false;
        for (var at = 0; at < names.Count;)
        {
            var result = await TryAsync(run, head, push.Remote, names[at], cancellation).ConfigureAwait(false);
            push = push with { Attempts = push.Attempts + result.Attempts };
            if (result.Git.Succeeded)
            {
                return push with { State = PushState.Pushed, Branch = names[at], Commit = head, Error = null };
            }

            var refusal = RefusalOf(result.Git);
            if (Taken.Any(sign => refusal?.Contains(sign, StringComparison.Ordinal) == true))
            {
                at++;
            }
            else if (!wasTriedAgain
                && InTheWay.Any(sign => refusal?.Contains(sign, StringComparison.Ordinal) == true))
            {
                // If it is there now, it has this very commit, or another one.
                wasTriedAgain = true;
            }
            else if (InTheWay.Any(sign => refusal?.Contains(sign, StringComparison.Ordinal) == true)
                && at < names.Count - 1 && names[0].Contains('/', StringComparison.Ordinal))
            {
                at = names.Count - 1;
            }
            else
            {
                return push with { State = PushState.Failed, Error = FailureOf(run, push.Remote, result.Git, refusal) };
            }
        }

        return push with
        {
            State = PushState.Failed,
            Error = new Failure(
                "push_refused",
                $"Delivery failed: '{names[0]}' and the {MaxNames} names after it are taken at {push.Remote}.",
                "The work is kept. Push it by hand under a name of your own.",
                Fault.User),
        };
    }

    private async Task<(GitResult Git, int Attempts)> TryAsync(
        RunWorkspace run, string head, string remote, string branch, CancellationToken cancellation)
    {
        for (var tries = 0; ; tries++)
        {
            var result = await git.PushAsync(
                new GitPush(run.Mirror, remote, head, branch, options.PushTimeout)
                {
                    IsGuarded = run.Source.IsGuarded,
                },
                cancellation).ConfigureAwait(false);
            var isAway = !result.Succeeded && RefusalOf(result) is null
                && result.Problem is GitProblem.Network or GitProblem.TimedOut;
            if (!isAway || tries == Pauses.Length)
            {
                return (result, tries + 1);
            }

            await Task.Delay(Pauses[tries], time, cancellation).ConfigureAwait(false);
        }
    }

    // !TAB from:to TAB [rejected] (why): what the remote, or git for it, says of the branch itself.
    private static string? RefusalOf(GitResult result) => result.Text.Split('\n')
        .Where(line => line.StartsWith("!\t", StringComparison.Ordinal))
        .Select(line => line.Split('\t')[^1]).FirstOrDefault();

    private static Failure FailureOf(
        RunWorkspace run, string remote, GitResult result, string? refusal)
    {
        var (code, hint, fault) = (refusal, result.Problem) switch
        {
            (not null, _) => ("push_refused", "Have the remote take such a branch.", Fault.Operator),
            (_, GitProblem.Authentication) =>
                ("push_authentication_failed",
                 "Put a token or key for the host that may write into the file of BERTH_GIT_CREDENTIALS.",
                 Fault.Operator),
            (_, GitProblem.Untrusted) =>
                ("push_untrusted", "Have the host's key in the knownHosts file of its credential.", Fault.Operator),
            (_, GitProblem.Network or GitProblem.TimedOut) =>
                ("push_unreachable", "Wait until the remote is there.", Fault.Nobody),
            (_, GitProblem.NotFound or GitProblem.NotARepository) =>
                ("push_refused", "Check the remote's URL, and whether the credential may write there.", Fault.Operator),
            _ => ("push_failed", "See what git said.", Fault.Operator),
        };
        var said = refusal is not null ? $"{refusal}: {result.Excerpt}"
            : GitFailures.MayBeTold(run.Source, result) ? result.Excerpt
            : GitFailures.NotReachedText;
        return new Failure(
            code, $"Delivery failed: the push to {remote} did not succeed: {said}",
            $"The work is kept. {hint} Then: berth deliver {run.RunId}", fault);
    }
}
