using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Git;

/// <summary>Where git is, and the environments it is run in.</summary>
/// <param name="Program">Its path.</param>
/// <param name="Environment">For what stays on this machine.</param>
/// <param name="NetworkEnvironment">For what goes over a network as the user himself would.</param>
/// <param name="RemoteEnvironment">For what goes over a network without anything of the user's configuration.</param>
internal sealed record GitPlace(
    string Program,
    IReadOnlyDictionary<string, string> Environment,
    IReadOnlyDictionary<string, string> NetworkEnvironment,
    IReadOnlyDictionary<string, string> RemoteEnvironment)
{
    private const string DefaultPath = "/usr/local/bin:/usr/bin:/bin";
    private const string IsolatedConfig = "isolated.gitconfig";
    private const string NetworkConfig = "network.gitconfig";
    private const string RemoteConfig = "remote.gitconfig";

    private static readonly string[] FromTheUser =
    [
        "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
        "KRB5CCNAME", "DOTNET_ROOT",
    ];

    /// <summary>Finds the program and writes our configuration files.</summary>
    /// <exception cref="FailureException"><c>git_missing</c>.</exception>
    internal static GitPlace Find(GitOptions options)
    {
        var path = options.Environment.GetValueOrDefault("PATH") is { Length: > 0 } set ? set : DefaultPath;
        var program = options.Program ?? path.Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Where(Path.IsPathRooted).Select(folder => Path.Combine(folder, "git")).FirstOrDefault(File.Exists);
        if (program is null || !File.Exists(program))
        {
            throw new FailureException(
                "git_missing",
                $"The git program was looked for in '{options.Program ?? path}' and is not there.",
                "Install git 2.39 or later: apt-get install git",
                Fault.Operator);
        }

        Directory.CreateDirectory(
            options.ConfigFolder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var isolated = Isolated(options, Shared(path), IsolatedConfig, Trust);
        var network = Shared(path);
        foreach (var name in FromTheUser.Where(options.Environment.ContainsKey))
        {
            network[name] = options.Environment[name];
        }

        var remote = Isolated(options, new(network, StringComparer.Ordinal), RemoteConfig, Trust + Ssh);
        network["GIT_CONFIG_GLOBAL"] = Write(options, NetworkConfig, ForTheNetwork(network));
        return new GitPlace(program, isolated, network, remote);
    }

    private static Dictionary<string, string> Isolated(
        GitOptions options, Dictionary<string, string> environment, string name, string text)
    {
        environment["HOME"] = options.ConfigFolder;
        environment["XDG_CONFIG_HOME"] = options.ConfigFolder;
        environment["GIT_CONFIG_NOSYSTEM"] = "1";
        environment["GIT_ATTR_NOSYSTEM"] = "1";
        environment["GIT_CONFIG_GLOBAL"] = Write(options, name, text);
        return environment;
    }

    // Only a file can say this: the option -c does not reach the upload-pack that a local fetch starts. The repository
    // may belong to
    // another user; we run nothing that its configuration names.
    private const string Trust = "[safe]\n\tdirectory = *\n";
    private const string Ssh = "[core]\n\tsshCommand = ssh -o BatchMode=yes -o ConnectTimeout=30\n";

    private static string ForTheNetwork(Dictionary<string, string> environment)
    {
        var home = environment.GetValueOrDefault("HOME");
        var xdg = environment.GetValueOrDefault("XDG_CONFIG_HOME")
            ?? (home is null ? null : Path.Combine(home, ".config"));

        // Before the user's own settings, so that a core.sshCommand of his is the one that counts.
        var text = Trust + Ssh + "[include]\n";
        text += xdg is null ? string.Empty : $"\tpath = {Quote(Path.Combine(xdg, "git", "config"))}\n";
        return text + (home is null ? string.Empty : $"\tpath = {Quote(Path.Combine(home, ".gitconfig"))}\n");
    }

    private static Dictionary<string, string> Shared(string path) => new(StringComparer.Ordinal)
    {
        ["PATH"] = path,
        ["LC_ALL"] = "C",
        ["GIT_TERMINAL_PROMPT"] = "0",
        ["GIT_ASKPASS"] = string.Empty,
        ["SSH_ASKPASS_REQUIRE"] = "never",
        ["GIT_ALLOW_PROTOCOL"] = "file:http:https:ssh",
        ["GIT_OPTIONAL_LOCKS"] = "0",
        ["GIT_NO_LAZY_FETCH"] = "1",
        ["GIT_NO_REPLACE_OBJECTS"] = "1",
        ["GIT_PAGER"] = "cat",
        ["GIT_EDITOR"] = ":",
        ["GIT_AUTHOR_NAME"] = "Berth",
        ["GIT_AUTHOR_EMAIL"] = "berth@localhost",
        ["GIT_COMMITTER_NAME"] = "Berth",
        ["GIT_COMMITTER_EMAIL"] = "berth@localhost",
    };

    private static string Write(GitOptions options, string name, string text)
    {
        var file = Path.Combine(options.ConfigFolder, name);
        if (!File.Exists(file) || !string.Equals(File.ReadAllText(file), text, StringComparison.Ordinal))
        {
            AtomicFile.Write(file, System.Text.Encoding.UTF8.GetBytes(text));
        }

        return file;
    }

    private static string Quote(string value) =>
        $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
