using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>The image of a server: made as docs/operating.md says, started without a right, and given a run.</summary>
public sealed class ServerImageTests
{
    private const string Image = "berth-test-server:1";
    private const string Hello = "bash echo hello > hello.txt\n---\ntext Done.";
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(5);

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_in_a_container_is_healthy_and_runs_an_agent_in_a_sandbox()
    {
        var docker = SystemTestEnvironment.DockerHost;
        _ = (SystemTestEnvironment.PublishedBerth, SystemTestEnvironment.RealClaude);
        await using var home = await BerthHome.CreateAsync(Soon);
        home.Set("DOCKER_HOST", docker);
        home.Set("BASE", SystemTestEnvironment.RunImage);

        // The daemon of the tests has no network for containers.
        home.Set("NETWORK", "host");
        var build = Path.Combine(SystemTestEnvironment.RepositoryRoot, "scripts", "build_server_image.sh");
        await TypeAsync(home, build, Image);
        var url = new Uri($"http://127.0.0.1:{FreePort()}");
        var container = await TypeAsync(
            home, "/usr/bin/env", "docker", "run", "--detach", "--init", "--network", "host", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined", "--security-opt",
            "systempaths=unconfined", "--volume", $"{home.Repository}:/srv/sample:ro", "--env", $"BERTH_URLS={url}",
            "--env", "CLAUDE_CODE_MODE=local", "--env", $"ANTHROPIC_BASE_URL={home.Model.Uri}", "--env",
            $"ANTHROPIC_API_KEY={BerthHome.DummyKey}", Image);
        try
        {
            await Eventually.TrueAsync(
                async () => (await TypeAsync(
                    home, "/usr/bin/env", "docker", "inspect", "--format", "{{.State.Health.Status}}", container))
                    is "healthy",
                "the container is healthy",
                Bound);
            var log = await TypeAsync(home, "/usr/bin/env", "docker", "logs", container);
            using var http = new HttpClient { BaseAddress = url, Timeout = BerthHome.Patience };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
                "Bearer", log[(log.IndexOf("once: ", StringComparison.Ordinal) + "once: ".Length)..].Split('\n')[0]);

            var run = await RunAsync(http);
            var user = await TypeAsync(home, "/usr/bin/env", "docker", "exec", container, "id", "--user");
            await TypeAsync(home, "/usr/bin/env", "docker", "stop", "--time", "60", container);
            var exit = await TypeAsync(
                home, "/usr/bin/env", "docker", "inspect", "--format", "{{.State.ExitCode}}", container);

            Assert.Equal("succeeded", run.GetProperty("state").GetString());
            Assert.Equal("hello.txt", run.GetProperty("filesChanged")[0].GetProperty("path").GetString());
            Assert.Equal("7433", user);
            Assert.Equal("0", exit);
        }
        finally
        {
            await TypeAsync(home, "/usr/bin/env", "docker", "rm", "--force", "--volumes", container);
        }
    }

    private static async Task<JsonElement> RunAsync(HttpClient http)
    {
        var body = JsonSerializer.Serialize(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["workflow"] = "implement",
            ["message"] = BerthHome.Prompt(Hello),
            ["repository"] = "file:///srv/sample",
        });
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var accepted = await http.PostAsync(new Uri("/api/v1/runs", UriKind.Relative), content, Soon);
        var said = await accepted.Content.ReadAsStringAsync(Soon);
        Assert.True(accepted.StatusCode == HttpStatusCode.Accepted, said);
        var location = accepted.Headers.Location!;
        JsonElement run = default;
        await Eventually.TrueAsync(
            async () => (run = JsonDocument.Parse(await http.GetStringAsync(location, Soon)).RootElement.Clone())
                .GetProperty("finishedAt").ValueKind != JsonValueKind.Null,
            "the run ends",
            Bound);
        return run;
    }

    private static async Task<string> TypeAsync(BerthHome home, string program, params string[] words)
    {
        using var typed = home.StartProgram(program, null, words);
        var said = await typed.EndAsync(Soon);
        Assert.True(said.ExitCode == 0, $"{program} {string.Join(' ', words)}\n{said.Output}\n{said.Error}");
        return said.Output.Trim();
    }

    private static string FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
    }
}
