using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>What git starts this program for: to be told a credential, or to become ssh with a key. No secret is in an
/// argument or a variable.</summary>
internal static class GitErrands
{
    private const int Failed = 1;
    private const int AnswerBound = 10_000;

    /// <summary>Whether it was git that started this program.</summary>
    internal static bool IsAsked => Value(GitErrand.AskSocket) is not null || Value(GitErrand.SshKey) is not null;

    /// <summary>Does it.</summary>
    internal static int Run(string[] words) => Value(GitErrand.AskSocket) is { } socket
        ? Ask(socket, words)
        : BecomeSsh(words, Value(GitErrand.SshKey)!);

    private static int Ask(string path, string[] words)
    {
        try
        {
            using var folder = new SocketFolder(Path.GetDirectoryName(path)!);
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            {
                ReceiveTimeout = AnswerBound,
                SendTimeout = AnswerBound,
            };
            socket.Connect(folder.EndPoint(Path.GetFileName(path)));
            socket.Send(Encoding.UTF8.GetBytes(words.FirstOrDefault(string.Empty)));
            socket.Shutdown(SocketShutdown.Send);
            if (Receive(socket) is { Length: > 0 } answer)
            {
                Console.Out.WriteLine(answer);
                return 0;
            }
        }
        catch (Exception gone) when (gone is IOException or SocketException)
        {
            // Git then says what it could not read.
        }

        return Failed;
    }

    private static string Receive(Socket socket)
    {
        var answer = new byte[GitErrand.MostBytes];
        var length = 0;
        while (length < answer.Length && socket.Receive(answer.AsSpan(length)) is > 0 and var count)
        {
            length += count;
        }

        return Encoding.UTF8.GetString(answer, 0, length);
    }

    private static int BecomeSsh(string[] words, string key)
    {
        var program = (Value("PATH") ?? string.Empty).Split(':').Where(Path.IsPathRooted)
            .Select(folder => Path.Combine(folder, "ssh")).FirstOrDefault(File.Exists);
        if (program is null)
        {
            ErrorLog.Say("ssh: not found; apt-get install openssh-client");
            return Failed;
        }

        string[] known = Value(GitErrand.KnownHosts) is { } file
            ? ["-o", $"UserKnownHostsFile=\"{file}\"", "-o", "GlobalKnownHostsFile=none"]
            : [];
        var error = OwnProcess.Become(
            [
                program, "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "IdentitiesOnly=yes",
                "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=yes", .. known, "-i", key, .. words,
            ],
            [GitErrand.SshKey, GitErrand.KnownHosts]);
        ErrorLog.Say($"ssh: {program} could not be started: {Marshal.GetPInvokeErrorMessage(error)}");
        return Failed;
    }

    private static string? Value(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
        ? value
        : null;
}
