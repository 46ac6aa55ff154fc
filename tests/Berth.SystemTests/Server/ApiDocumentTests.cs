using System.Text.RegularExpressions;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>The examples of docs/API.md, typed as they stand there.</summary>
public sealed partial class ApiDocumentTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_examples_work_as_they_stand_there()
    {
        var document = await File.ReadAllTextAsync(
            Path.Combine(SystemTestEnvironment.RepositoryRoot, "docs", "API.md"), Soon);
        var examples = Example().Matches(document).Select(match => match.Groups["example"].Value).ToList();
        await using var server = await ServerHome.StartAsync(Soon);
        server.Home.Set("BERTH_SERVER", server.Url.AbsoluteUri.TrimEnd('/'));
        server.Home.Set("BERTH_TOKEN", server.Token);
        server.Home.Set("REPOSITORY", server.Home.Repository);

        Assert.Equal(4, examples.Count);
        foreach (var example in examples)
        {
            using var shell = server.Home.StartProgram(
                "/bin/bash", null, "-c", $"set -euo pipefail\n{example}");
            var said = await shell.EndAsync(Soon);
            Assert.True(said.ExitCode == 0, $"{example}\n{said.Output}\n{said.Error}");
        }

        // The commands of the test's own end ask the home.
        server.Home.Set("BERTH_SERVER", null);
    }

    [GeneratedRegex("```sh\\n(?<example>.*?)\\n```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Example();
}
