using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Berth.Engine.Docker;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Docker;

/// <summary>Answers of a daemon that a real one gives seldom: old versions, refusals, nonsense.</summary>
public sealed class DockerClientTests
{
    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, "unix://")]
    [InlineData("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock")]
    [InlineData("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375")]
    [InlineData("http://127.0.0.1:2375/", "http://127.0.0.1:2375/")]
    public void An_address_is_read_as_people_write_it(string? text, string expected) =>
        Assert.StartsWith(expected, DockerEndpoint.Parse(text).Text, StringComparison.Ordinal);

    [Theory]
    [InlineData("ssh://somebody@somewhere")]
    [InlineData("unix://relative")]
    [InlineData("tcp://user@host:1")]
    [InlineData("tcp://host:1/path")]
    [InlineData("nonsense")]
    public async Task An_address_that_cannot_be_connected_to_is_refused_when_it_is_tried(string text)
    {
        using var client = new DockerClient(DockerEndpoint.Parse(text), TimeProvider.System);

        var thrown = await Assert.ThrowsAsync<FailureException>(() => client.VersionAsync(Ending));

        Assert.Equal("docker_host_invalid", thrown.Failure.Code);
        Assert.Contains(text, thrown.Failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"Version":"1.13","ApiVersion":"1.26"}""", 200, "docker_too_old", "1.26")]
    [InlineData("""{"Version":"x","ApiVersion":"x"}""", 200, "docker_not_understood", "/version")]
    [InlineData("<html>", 200, "docker_not_understood", "/version")]
    [InlineData("""{"message":"no"}""", 500, "docker_refused", "no")]
    [InlineData("nothing", 500, "docker_refused", "500")]
    public async Task A_daemon_that_cannot_be_used_is_an_error_of_its_own(
        string body, int status, string code, string said)
    {
        await using var daemon = new Canned((status, body));
        using var client = new DockerClient(daemon.Endpoint, TimeProvider.System);

        var thrown = await Assert.ThrowsAsync<FailureException>(() => client.VersionAsync(Ending));

        Assert.Equal(code, thrown.Failure.Code);
        Assert.Contains(said, thrown.Failure.Message, StringComparison.Ordinal);
        Assert.Contains(daemon.Endpoint.Text, thrown.Failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1.41", "1.24", "1.41")]
    [InlineData("1.99", "1.24", "1.47")]
    [InlineData("1.99", "1.60", "1.60")]
    public async Task The_version_that_both_speak_is_spoken(string theirs, string least, string spoken)
    {
        await using var daemon = new Canned(
            (200, $$"""{"Version":"1","ApiVersion":"{{theirs}}","MinAPIVersion":"{{least}}"}"""),
            (404, """{"message":"no such image"}"""));
        using var client = new DockerClient(daemon.Endpoint, TimeProvider.System);

        Assert.Null(await client.FindImageAsync("a/b:1", Ending));

        Assert.Equal($"GET /v{spoken}/images/a%2Fb%3A1/json HTTP/1.1", daemon.Requests[1]);
    }

    [Fact]
    public async Task Nobody_at_a_port_is_a_daemon_that_is_down()
    {
        var free = new Canned();
        await free.DisposeAsync();
        using var client = new DockerClient(free.Endpoint, TimeProvider.System);

        var thrown = await Assert.ThrowsAsync<FailureException>(() => client.InfoAsync(Ending));

        Assert.Equal("docker_unreachable", thrown.Failure.Code);
    }

    /// <summary>Answers one request a connection, each with what comes next.</summary>
    private sealed class Canned : IAsyncDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly Queue<(int Status, string Body)> answers;
        private readonly Task serving;

        internal Canned(params (int Status, string Body)[] answers)
        {
            this.answers = new(answers);
            listener.Start();
            var port = ((IPEndPoint)listener.LocalEndpoint).Port;
            Endpoint = DockerEndpoint.Parse(string.Create(CultureInfo.InvariantCulture, $"tcp://127.0.0.1:{port}"));
            serving = ServeAsync();
        }

        internal DockerEndpoint Endpoint { get; }

        internal List<string> Requests { get; } = [];

        public async ValueTask DisposeAsync()
        {
            listener.Dispose();
            await serving;
        }

        private async Task ServeAsync()
        {
            while (answers.TryDequeue(out var answer))
            {
                try
                {
                    using var client = await listener.AcceptTcpClientAsync(Ending);
                    await using var stream = client.GetStream();
                    using var reader = new StreamReader(stream);
                    Requests.Add(await reader.ReadLineAsync(Ending) ?? "");
                    while (await reader.ReadLineAsync(Ending) is { Length: > 0 })
                    {
                        // The rest of the headers.
                    }

                    var text = $"HTTP/1.1 {answer.Status} X\r\nConnection: close\r\nContent-Type: application/json\r\n"
                        + $"Content-Length: {Encoding.UTF8.GetByteCount(answer.Body)}\r\n\r\n{answer.Body}";
                    await stream.WriteAsync(Encoding.UTF8.GetBytes(text), Ending);
                }
                catch (SocketException)
                {
                    // The test has ended.
                    return;
                }
            }
        }
    }
}
