using System.Net.Sockets;
using System.Text;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Docker;

/// <summary>What can be wrong with a daemon, each with what to type.</summary>
internal static class DockerFailures
{
    private static string Sudo => Environment.IsPrivilegedProcess ? "" : "sudo ";

    private static string Start =>
        $"Type: {Sudo}systemctl start docker   (or set DOCKER_HOST to where it listens; local mode needs no Docker)";

    /// <summary>Nobody listens there, or we may not speak to who does.</summary>
    public static FailureException Unreachable(DockerEndpoint endpoint, Exception cause)
    {
        if (ErrorOf(cause) == SocketError.AccessDenied || cause is UnauthorizedAccessException)
        {
            return new FailureException(
                "docker_permission_denied",
                $"Docker at {endpoint.Text} may not be used by this user.",
                $"Type: sudo usermod -aG docker {Environment.UserName}   and log in again; or use local mode",
                Fault.Operator,
                cause);
        }

        var (why, hint) = WhyUnreachable(endpoint, cause);
        return new FailureException(
            "docker_unreachable", $"Docker was to be reached at {endpoint.Text}: {why}.", hint, Fault.Operator, cause);
    }

    // The system's words for these do not tell what is wrong: a missing socket is an address that cannot be assigned.
    private static (string Why, string Hint) WhyUnreachable(DockerEndpoint endpoint, Exception cause)
    {
        const int LongestPath = 107;
        const string Elsewhere = "Set DOCKER_HOST to the socket where Docker listens, or use local mode.";
        if (endpoint.Socket is not { } path)
        {
            return ErrorOf(cause) switch
            {
                SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData =>
                    ($"there is no host {endpoint.Host}", "Is the name in DOCKER_HOST right?"),
                SocketError.ConnectionRefused => (
                    $"nothing listens on port {endpoint.Port} of {endpoint.Host}",
                    "Is the port in DOCKER_HOST right, and does Docker listen there without TLS?"),
                _ => (Reason(cause), Start),
            };
        }

        if (Encoding.UTF8.GetByteCount(path) > LongestPath)
        {
            return ($"a path of a socket has at most {LongestPath} bytes", Elsewhere);
        }

        if (Directory.Exists(path))
        {
            return ("that is a folder, not a socket", Elsewhere);
        }

        if (!Path.Exists(path))
        {
            return Path.Exists(Path.GetDirectoryName(path))
                ? ("there is no such socket; Docker does not run, or listens elsewhere", Start)
                : ($"there is no such socket, nor a folder {Path.GetDirectoryName(path)}", Start);
        }

        return ErrorOf(cause) == SocketError.ConnectionRefused
            ? IsFile(path)
                ? ("that is a file, not a socket", Elsewhere)
                : ("the socket is there, and nothing listens on it", Start)
            : (Reason(cause), Start);
    }

    private static bool IsFile(string path)
    {
        using var folder = OpenFolder.Open(Path.GetDirectoryName(path)!);
        return folder?.Look(Encoding.UTF8.GetBytes(Path.GetFileName(path))) is { Kind: FileKind.Plain };
    }

    /// <summary>It took the connection and then said nothing.</summary>
    public static FailureException NotAnswering(DockerEndpoint endpoint, string request, TimeSpan limit) => new(
        "docker_not_answering",
        $"Docker at {endpoint.Text} did not answer {request} within {limit.TotalSeconds:0.#} s.",
        $"Type: {Sudo}systemctl restart docker   and look at its log; local mode works without it",
        Fault.Operator);

    /// <summary>Its API lacks what is needed.</summary>
    public static FailureException TooOld(DockerEndpoint endpoint, string version, string least) => new(
        "docker_too_old",
        $"Docker at {endpoint.Text} speaks API version {version}; {least} or later is needed (Docker 19.03).",
        "Install a newer Docker, or use local mode.",
        Fault.Operator);

    /// <summary>It answered in a way that was not foreseen.</summary>
    public static FailureException Refused(DockerEndpoint endpoint, string request, int status, string message) => new(
        "docker_refused",
        $"Docker at {endpoint.Text} refused {request} with status {status}: {message}",
        "Look at the daemon's log; `berth doctor` says more.",
        Fault.Operator);

    /// <summary>It answered with something that is not its API.</summary>
    public static FailureException NotUnderstood(
        DockerEndpoint endpoint, string request, Exception? cause = null) => new(
        "docker_not_understood",
        $"What listens at {endpoint.Text} answered {request} with something that is not Docker's API.",
        "Is DOCKER_HOST right? It may point to another program.",
        Fault.Operator,
        cause);

    private static SocketError? ErrorOf(Exception? cause)
    {
        for (; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException socket)
            {
                return socket.SocketErrorCode;
            }
        }

        return null;
    }

    private static string Reason(Exception cause)
    {
        while (cause is not SocketException && cause.InnerException is { } inner)
        {
            cause = inner;
        }

        return cause.Message.TrimEnd('.');
    }
}
