using System.Globalization;

namespace Berth.Engine.Executors;

/// <summary>Files of /etc that a run has of its own, in every mode, so that they tell nothing of the host.</summary>
internal static class PrivateEtc
{
    /// <summary>The folder in the run directory that holds them.</summary>
    internal const string FolderName = "etc";

    /// <summary>The agent's user in the sandbox.</summary>
    internal const uint SandboxUser = 1000;

    /// <summary>What they hold, by name.</summary>
    /// <param name="user">The number of the agent's user.</param>
    internal static IReadOnlyDictionary<string, string> Files(uint user)
    {
        var number = user.ToString(CultureInfo.InvariantCulture);
        return new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["passwd"] = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                + $"agent:x:{number}:{number}:agent:/home/agent:/bin/bash\n",
            ["group"] = $"root:x:0:\nagent:x:{number}:\n",
            ["hosts"] = "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 berth\n",
            ["hostname"] = "berth\n",
            ["nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files\n",
        };
    }

    /// <summary>Writes them into the run directory.</summary>
    internal static void Write(string runRoot, uint user)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        const UnixFileMode Readable =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        var etc = Directory.CreateDirectory(Path.Combine(runRoot, FolderName), Private).FullName;
        foreach (var (name, text) in Files(user))
        {
            var file = Path.Combine(etc, name);
            File.WriteAllText(file, text);
            File.SetUnixFileMode(file, Readable);
        }
    }
}
