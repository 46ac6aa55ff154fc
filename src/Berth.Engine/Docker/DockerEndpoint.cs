using System.Globalization;
using Berth.Protocol;

namespace Berth.Engine.Docker;

/// <summary>Where a Docker daemon listens: a Unix socket, or a TCP port without encryption.</summary>
internal sealed record DockerEndpoint
{
    private const string Usual = "/var/run/docker.sock";
    private const string Podman = "/run/podman/podman.sock";
    private const int UsualPort = 2375;

    private DockerEndpoint(string text, string? socket, string host, int port)
    {
        Text = text;
        Socket = socket;
        Host = host;
        Port = port;
    }

    /// <summary>As people write it, for example <c>unix:///var/run/docker.sock</c>.</summary>
    public string Text { get; }

    /// <summary>The socket's path, or null for TCP.</summary>
    public string? Socket { get; }

    /// <summary>The host, for TCP.</summary>
    public string Host { get; }

    /// <summary>The port, for TCP.</summary>
    public int Port { get; }

    /// <summary>Why nobody can be connected to there, or null. It is said when it is tried: who never uses Docker may
    /// have an address of it that is no use to us.</summary>
    public Failure? Defect { get; private init; }

    /// <summary>Reads what <c>DOCKER_HOST</c> says; null or empty for the usual socket, or Podman's where there is
    /// only that.</summary>
    public static DockerEndpoint Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            var socket = !File.Exists(Usual) && File.Exists(Podman) ? Podman : Usual;
            return new DockerEndpoint($"unix://{socket}", socket, "", 0);
        }

        const string Unix = "unix://";
        if (text.StartsWith(Unix, StringComparison.Ordinal) && Path.IsPathFullyQualified(text[Unix.Length..]))
        {
            return new DockerEndpoint(text, text[Unix.Length..], "", 0);
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "tcp" or "http"
            && url is { Host.Length: > 0, UserInfo: "", PathAndQuery: "/" or "" })
        {
            return new DockerEndpoint(text, null, url.Host, url.Port > 0 ? url.Port : UsualPort);
        }

        return new DockerEndpoint(text, null, "docker", UsualPort)
        {
            Defect = new Failure(
                "docker_host_invalid",
                $"DOCKER_HOST is '{text}', which Berth cannot connect to.",
                "Use unix:///PATH/OF/SOCKET or tcp://HOST:PORT; connections by SSH or TLS are not supported.",
                Fault.Operator),
        };
    }

    /// <summary>The base of request URLs; over a Unix socket the host in it says nothing.</summary>
    public Uri BaseAddress => Socket is not null
        ? new Uri("http://docker/")
        : new Uri(string.Create(CultureInfo.InvariantCulture, $"http://{Host}:{Port}/"));
}
