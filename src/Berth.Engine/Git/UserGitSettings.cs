using System.Text;
using Berth.Engine.Processes;

namespace Berth.Engine.Git;

/// <summary>What the user has told git about himself: his own configuration and the machine's.</summary>
/// <remarks>
/// Never that of a repository: the command may have been typed in a workspace that an agent has touched, and a setting
/// such as <c>core.pager</c> names a program.
/// </remarks>
internal sealed class UserGitSettings(GitOptions options, ProcessRunner processes)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>A setting, or null where there is none, or no git.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancel">Gives up.</param>
    public async Task<string?> ReadAsync(string name, CancellationToken cancel)
    {
        var path = options.Environment.GetValueOrDefault("PATH") ?? string.Empty;
        var program = options.Program ?? ProgramPath.Find("git", path);
        if (program is null)
        {
            return null;
        }

        var result = await processes.RunAsync(
            new ProcessRequest
            {
                FileName = program,
                Arguments = ["config", "--includes", "--get", name],

                // Neither the folder nor a variable leads to a repository.
                Environment = options.Environment
                    .Where(pair => !pair.Key.StartsWith("GIT_", StringComparison.Ordinal)
                        || pair.Key.StartsWith("GIT_CONFIG_", StringComparison.Ordinal))
                    .ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal),
                WorkingDirectory = "/",
                Timeout = Timeout,
            },
            cancel).ConfigureAwait(false);
        return result.Succeeded ? Encoding.UTF8.GetString(result.Output.Span).TrimEnd('\n') : null;
    }
}
