namespace Berth.Protocol;

/// <summary>How the supervisor's program is told that git has started it, to ask for a credential or to reach a remote
/// by ssh. Git gives such a program no words of ours, so variables say it.</summary>
public static class GitErrand
{
    /// <summary>The socket of the process that has the credential: git's <c>GIT_ASKPASS</c> is asked for.</summary>
    public const string AskSocket = "BERTH_GIT_ASK";

    /// <summary>The private key's file: git's <c>GIT_SSH</c> is asked for.</summary>
    public const string SshKey = "BERTH_GIT_SSH_KEY";

    /// <summary>The file of known hosts that goes with <see cref="SshKey"/>; absent for ssh's own.</summary>
    public const string KnownHosts = "BERTH_GIT_KNOWN_HOSTS";

    /// <summary>The address that ssh is to connect to, whatever the host's name means: git's <c>GIT_SSH</c> is asked
    /// for.</summary>
    public const string SshAddress = "BERTH_GIT_SSH_ADDRESS";

    /// <summary>Under which name the key of the host is known, with <see cref="SshAddress"/>.</summary>
    public const string SshAlias = "BERTH_GIT_SSH_ALIAS";

    /// <summary>The longest question and answer, in bytes.</summary>
    public const int MostBytes = 16 * 1024;
}
