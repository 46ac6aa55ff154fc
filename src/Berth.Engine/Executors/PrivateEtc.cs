using System.Globalization;

namespace Berth.Engine.Executors;

/// <summary>Files of /etc that a run has of its own, in every mode, so that they tell nothing of the host.</summary>
internal static class PrivateEtc
{
    /// <summary>The folder in the run directory that holds them.</summary>
    internal const string FolderName = "etc";

    private const string NameServers = "/etc/resolv.conf";

    /// <summary>The agent's user in the sandbox.</summary>
    internal const uint SandboxUser = 1000;

    /// <summary>What they hold, by name.</summary>
    /// <param name="user">The number of the agent's user.</param>
    /// <param name="isOpen">Whether it has the machine's network, and so needs the machine's name servers.</param>
    internal static IReadOnlyDictionary<string, string> Files(uint user, bool isOpen = false)
    {
        var number = user.ToString(CultureInfo.InvariantCulture);
        var files = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["passwd"] = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                + $"agent:x:{number}:{number}:agent:/home/agent:/bin/bash\n",
            ["group"] = $"root:x:0:\nagent:x:{number}:\n",
            ["hosts"] = "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 berth\n",
            ["hostname"] = "berth\n",
            ["nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files\n",
        };
        if (isOpen)
        {
            files["nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files dns\n";
            files["resolv.conf"] = File.Exists(NameServers) ? File.ReadAllText(NameServers) : "";
        }

        return files;
    }

    /// <summary>Writes them into the run directory.</summary>
    internal static void Write(string runRoot, uint user, bool isOpen = false)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        const UnixFileMode Readable =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        var etc = Directory.CreateDirectory(Path.Combine(runRoot, FolderName), Private).FullName;
        foreach (var (name, text) in Files(user, isOpen))
        {
            var file = Path.Combine(etc, name);
            File.WriteAllText(file, text);
            File.SetUnixFileMode(file, Readable);
        }
    }
}
