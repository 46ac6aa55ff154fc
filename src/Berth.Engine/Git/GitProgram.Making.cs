namespace Berth.Engine.Git;

// What we ask of a folder that we have just filled ourselves: the demo's sample.
internal sealed partial class GitProgram
{
    /// <summary>
    /// Makes a repository of a folder of ours, with one commit that has all its files. No repository of the user's
    /// is touched.
    /// </summary>
    internal async Task<GitResult> MakeRepositoryAsync(string folder, string message, CancellationToken cancellation)
    {
        var repository = GitRepository.Users(folder);
        GitCall[] calls =
        [
            new GitCall { Arguments = ["init", "--quiet", "--template=", "--initial-branch=main", "--", folder] },
            repository.Call("add", "--all"),
            repository.Call("commit", "--quiet", "--no-gpg-sign", "-m", message),
        ];
        foreach (var call in calls[..^1])
        {
            var result = await RunAsync(call, cancellation).ConfigureAwait(false);
            if (!result.Succeeded)
            {
                return result;
            }
        }

        return await RunAsync(calls[^1], cancellation).ConfigureAwait(false);
    }
}
