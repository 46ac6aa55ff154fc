using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>The layers that can be missing, each with what to type. A refused run and the probe say the same
/// words.</summary>
internal static class Missing
{
    // Which package manager a distribution has, by what os-release calls it.
    private static readonly (string Distribution, string Command)[] Installers =
    [
        ("debian", "apt-get install -y"),
        ("ubuntu", "apt-get install -y"),
        ("fedora", "dnf install -y"),
        ("rhel", "dnf install -y"),
        ("centos", "dnf install -y"),
        ("arch", "pacman -S --noconfirm"),
        ("suse", "zypper install -y"),
        ("alpine", "apk add"),
    ];

    internal static Failure Bubblewrap { get; } = new(
        "bubblewrap_missing",
        "The sandbox needs bubblewrap, and there is no program `bwrap` in PATH.",
        $"Type: {Install("bubblewrap")}   (or, without any isolation: --sandbox none)",
        Fault.Operator);

    internal static Failure Git { get; } = new(
        "git_missing",
        "The changes of a run are captured with git, and there is none where the run could use it.",
        $"Type: {Install("git")}   (a git outside of /usr is not seen inside the sandbox)",
        Fault.Operator);

    internal static Failure Supervisor(string path) => new(
        "supervisor_missing",
        $"The supervisor program {path} is not there.",
        "Build or install Berth again.",
        Fault.Berth);

    /// <summary>The line that installs a package, as root or through sudo.</summary>
    internal static string Install(string package)
    {
        var words = OsRelease();
        var known =
            Installers.FirstOrDefault(pair => words.Contains(pair.Distribution, StringComparer.Ordinal)).Command;
        var sudo = Environment.IsPrivilegedProcess ? "" : "sudo ";
        return known is not null
            ? $"{sudo}{known} {package}"
            : $"{sudo}apt-get install -y {package}   (Fedora: dnf install, Arch: pacman -S, openSUSE: zypper install)";
    }

    private static string[] OsRelease()
    {
        try
        {
            return
            [
                .. from line in File.ReadLines("/etc/os-release")
                   where line.StartsWith("ID=", StringComparison.Ordinal)
                       || line.StartsWith("ID_LIKE=", StringComparison.Ordinal)
                   from word in line[(line.IndexOf('=', StringComparison.Ordinal) + 1)..].Trim('"').Split(' ')
                   select word,
            ];
        }
        catch (IOException)
        {
            return [];
        }
    }
}
