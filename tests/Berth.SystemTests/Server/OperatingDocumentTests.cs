using System.Text.RegularExpressions;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Backing up and restoring as docs/operating.md says it, typed as it stands there.</summary>
public sealed partial class OperatingDocumentTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_backed_up_while_a_server_ran_is_all_there_when_it_is_restored()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var backup = Directory.CreateDirectory(Path.Combine(server.Home.Folder, "backup")).FullName;
        server.Home.Set("BACKUP", backup);
        var source = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["repository"] = $"file://{server.Home.Repository}",
        };
        var id = (await server.SubmitAsync("bash echo hello > hello.txt\n---\ntext Done.", Soon, source))
            .GetProperty("id").GetString()!;
        var before = await server.FinalAsync(id, Soon);
        var events = await server.EventsAsync(id, after: 0, Soon);

        await TypeAsync(server, "Back up");
        var later = await server.FinalAsync(
            (await server.SubmitAsync("text Done.", Soon)).GetProperty("id").GetString()!, Soon);
        await TypeAsync(server, "Restore");
        await server.EndAsync(Soon);
        await server.StartAgainAsync(Soon);
        var after = await server.ShowAsync(id, Soon);
        var (status, _) = await server.AskAsync(
            HttpMethod.Get, $"/api/v1/runs/{later.GetProperty("id").GetString()}", Soon);
        var (_, diff) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/diff", Soon);
        var next = await server.FinalAsync(
            (await server.SubmitAsync("text Done.", Soon)).GetProperty("id").GetString()!, Soon);

        Assert.Equal(before.GetRawText(), after.GetRawText());
        Assert.Equal(events.Count, (await server.EventsAsync(id, after: 0, Soon)).Count);
        Assert.Equal(System.Net.HttpStatusCode.NotFound, status);
        Assert.Contains("+hello", diff, StringComparison.Ordinal);
        Assert.Equal("succeeded", next.GetProperty("state").GetString());
    }

    private static async Task TypeAsync(ServerHome server, string heading)
    {
        var document = await File.ReadAllTextAsync(
            Path.Combine(SystemTestEnvironment.RepositoryRoot, "docs", "operating.md"), Soon);
        var section = document[document.IndexOf($"## {heading}\n", StringComparison.Ordinal)..];
        var typed = Example().Match(section).Groups["example"].Value;
        var path = $"PATH={SystemTestEnvironment.OutputFolder}:$PATH";
        using var shell = server.Home.StartProgram("/bin/bash", null, "-c", $"set -euo pipefail; {path}\n{typed}");
        var said = await shell.EndAsync(Soon);
        Assert.True(said.ExitCode == 0, $"{typed}\n{said.Output}\n{said.Error}");
    }

    [GeneratedRegex("```sh\\n(?<example>.*?)\\n```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Example();
}
