using System.Net.Sockets;
using Berth.Engine.Docker;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Docker;

/// <summary>FAULTS 70: why Docker is not reached, by the name of what is wrong.</summary>
public sealed class DockerReachTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-reach-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("missing", "there is no such socket; Docker does not run")]
    [InlineData("nowhere/docker.sock", "nor a folder")]
    [InlineData("folder", "that is a folder, not a socket")]
    [InlineData("file", "that is a file, not a socket")]
    [InlineData("dead", "nothing listens on it")]
    [InlineData("long", "at most 107 bytes")]
    public async Task F70_What_is_wrong_with_the_socket_is_said(string kind, string why)
    {
        var path = Path.Combine(folder, kind is "long" ? new string('x', 120) : kind);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        switch (kind)
        {
            case "folder":
                Directory.CreateDirectory(path);
                break;
            case "file":
                await File.WriteAllTextAsync(path, "text", TestContext.Current.CancellationToken);
                break;
            case "dead":
                // Bound, and it never listens.
                socket.Bind(new UnixDomainSocketEndPoint(path));
                break;
        }

        var failure = await FailureOfAsync($"unix://{path}");

        Assert.Equal("docker_unreachable", failure.Code);
        Assert.Contains(path, failure.Message, StringComparison.Ordinal);
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("assign requested address", failure.Message, StringComparison.Ordinal);
        Assert.NotEmpty(failure.Hint);
    }

    [Fact]
    public async Task F70_A_port_without_a_listener_is_said()
    {
        var failure = await FailureOfAsync("tcp://127.0.0.1:9");

        Assert.Equal("docker_unreachable", failure.Code);
        Assert.Contains("nothing listens on port 9 of 127.0.0.1", failure.Message, StringComparison.Ordinal);
    }

    private static async Task<Failure> FailureOfAsync(string host)
    {
        using var client = new DockerClient(DockerEndpoint.Parse(host), TimeProvider.System);
        var thrown = await Assert.ThrowsAsync<FailureException>(
            () => client.InfoAsync(TestContext.Current.CancellationToken));
        return thrown.Failure;
    }
}
