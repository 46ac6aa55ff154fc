using System.Security.Cryptography;
using System.Text;
using Berth.Protocol.Posix;

namespace Berth.Engine.Runs;

/// <summary>The name of a home among those that share a database.</summary>
internal static class HomeName
{
    /// <summary>The name of a home whose database is its own.</summary>
    public const string Alone = "home";

    private const string FileName = "server-id";
    private const int LongestMachine = 40;
    private const int RandomBytes = 4;

    /// <summary>The name that a home was given when it was first asked for: the machine's, and something by
    /// chance.</summary>
    public static string Of(string home)
    {
        var file = Path.Combine(home, FileName);
        for (var patience = 2; ; patience--)
        {
            if (File.Exists(file) && File.ReadAllText(file).Trim() is { Length: > 0 } name)
            {
                return name;
            }

            if (patience == 0)
            {
                throw new IOException($"{file} is empty.");
            }

            // Of two that ask at once the first one's is there for good: a link replaces nothing.
            var chance = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(RandomBytes));
            var machine = new string(
                [.. Environment.MachineName.Where(char.IsAsciiLetterOrDigit).Take(LongestMachine)]);
            var mine = $"{file}.{chance}";
            AtomicFile.Write(mine, Encoding.ASCII.GetBytes($"{machine}-{chance}\n"));
            try
            {
                File.Move(mine, file, overwrite: false);
            }
            catch (IOException) when (File.Exists(file))
            {
                File.Delete(mine);
            }
        }
    }
}

/// <summary>The run was given to another home meanwhile: this one has nothing to do with it any more.</summary>
internal sealed class RunTakenException(string id) : Exception($"The run {id} is another server's now.");
