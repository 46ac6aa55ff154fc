using System.Net.Sockets;
using Berth.Protocol;

namespace Berth.Engine.Docker;

/// <summary>What can be wrong with a daemon, each with what to type.</summary>
internal static class DockerFailures
{
    private static string Sudo => Environment.IsPrivilegedProcess ? "" : "sudo ";

    private static string Start =>
        $"Type: {Sudo}systemctl start docker   (or set DOCKER_HOST to where it listens; local mode needs no Docker)";

    /// <summary>Nobody listens there, or we may not speak to who does.</summary>
    public static FailureException Unreachable(DockerEndpoint endpoint, Exception cause) =>
        ErrorOf(cause) == SocketError.AccessDenied || cause is UnauthorizedAccessException
            ? new FailureException(
                "docker_permission_denied",
                $"Docker at {endpoint.Text} may not be used by this user.",
                $"Type: sudo usermod -aG docker {Environment.UserName}   and log in again; or use local mode",
                Fault.Operator,
                cause)
            : new FailureException(
                "docker_unreachable",
                $"Docker was to be reached at {endpoint.Text}: {Reason(cause)}.",
                Start,
                Fault.Operator,
                cause);

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
