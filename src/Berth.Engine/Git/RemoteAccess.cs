using Berth.Protocol;

namespace Berth.Engine.Git;

/// <summary>How one call of git reaches a place that is not on this machine: with the credential that we have for it,
/// or as the user does.</summary>
/// <remarks>A credential is in no argument and no variable, and no helper of the user's is told it.</remarks>
internal sealed class RemoteAccess : IAsyncDisposable
{
    // What is last on the command line is what counts: no helper keeps our token, and git names the host alone.
    private static readonly string[] OwnSettings =
        ["-c", "credential.helper=", "-c", "credential.useHttpPath=false", "-c", "http.emptyAuth=false"];

    private readonly AskPassSocket? socket;

    private RemoteAccess(AskPassSocket? socket, string[] arguments, Dictionary<string, string> environment) =>
        (this.socket, Arguments, Environment) = (socket, arguments, environment);

    /// <summary>What stands before the subcommand.</summary>
    public string[] Arguments { get; }

    /// <summary>The variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>Prepares a call.</summary>
    /// <param name="here">Where git is.</param>
    /// <param name="options">How it is run.</param>
    /// <param name="location">Where the call goes.</param>
    /// <param name="asUser">Whether the user's own configuration and helpers count where we have no
    /// credential.</param>
    /// <param name="pin">What the call is held to; null for a place of the user's own choice.</param>
    /// <exception cref="FailureException">What <see cref="GitCredentials.For"/> refuses.</exception>
    public static RemoteAccess Open(
        GitPlace here, GitOptions options, string location, bool asUser, RemotePin? pin = null)
    {
        var access = Open(here, options, location, asUser);
        if (pin is null)
        {
            return access;
        }

        var environment = new Dictionary<string, string>(access.Environment, StringComparer.Ordinal);
        foreach (var (name, value) in pin.SshVariables)
        {
            UseOurSsh(here, environment, HelperOf(options));
            environment[name] = value;
        }

        return new RemoteAccess(access.socket, [.. access.Arguments, .. pin.Arguments], environment);
    }

    // An ssh command in the configuration would outrank this one.
    private static void UseOurSsh(GitPlace here, Dictionary<string, string> environment, string helper)
    {
        environment["GIT_CONFIG_GLOBAL"] = here.Environment["GIT_CONFIG_GLOBAL"];
        environment["GIT_SSH"] = helper;
        environment["GIT_SSH_VARIANT"] = "ssh";
    }

    private static string HelperOf(GitOptions options) => options.Helper is { } program && File.Exists(program)
        ? program
        : throw new FailureException(
            "supervisor_missing",
            $"The program that tells git a credential is not at {options.Helper}.",
            "Install Berth anew, or set BERTH_SUPERVISOR.",
            Fault.Operator);

    private static RemoteAccess Open(GitPlace here, GitOptions options, string location, bool asUser)
    {
        var place = RemotePlace.Of(location);
        var credential = UsableFor(place, options.Credentials.For(place));
        if (credential is null && asUser)
        {
            return new RemoteAccess(null, [], new(here.NetworkEnvironment, StringComparer.Ordinal));
        }

        var environment = new Dictionary<string, string>(here.RemoteEnvironment, StringComparer.Ordinal);
        if (credential is null)
        {
            return new RemoteAccess(null, OwnSettings, environment);
        }

        var helper = HelperOf(options);
        if (place!.Scheme is "ssh" && credential.SshKey is { } key)
        {
            UseOurSsh(here, environment, helper);
            environment[GitErrand.SshKey] = key;
            if (credential.KnownHosts is { } known)
            {
                environment[GitErrand.KnownHosts] = known;
            }

            return new RemoteAccess(null, OwnSettings, environment);
        }

        var asked = new AskPassSocket(options.ConfigFolder, place, credential);
        environment["GIT_ASKPASS"] = helper;
        environment[GitErrand.AskSocket] = asked.Path;
        return new RemoteAccess(asked, OwnSettings, environment);
    }

    private static GitCredential? UsableFor(RemotePlace? place, GitCredential? credential) =>
        (place?.Scheme is "ssh" ? credential?.SshKey : credential?.Token) is null ? null : credential;

    /// <summary>Forgets the credential.</summary>
    public ValueTask DisposeAsync() => socket?.DisposeAsync() ?? ValueTask.CompletedTask;
}
