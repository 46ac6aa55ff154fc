using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Git;

/// <summary>Answers what git asks during one transfer, on a socket that only this user can reach: the user's name and
/// the token, and only where git asks for the very place that the transfer goes to.</summary>
internal sealed partial class AskPassSocket : IAsyncDisposable
{
    private const int Backlog = 4;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // No transfer may take so long.
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(2);

    private readonly RemotePlace place;
    private readonly GitCredential credential;
    private readonly SocketFolder folder;
    private readonly Socket listener;
    private readonly string name = $"ask-{Guid.NewGuid():N}.sock";
    private readonly CancellationTokenSource ending = new();
    private readonly Task serving;

    /// <summary>Listens until it is disposed of.</summary>
    /// <param name="parent">A folder that is this user's alone.</param>
    /// <param name="place">Where the transfer goes.</param>
    /// <param name="credential">What is shown there.</param>
    public AskPassSocket(string parent, RemotePlace place, GitCredential credential)
    {
        (this.place, this.credential) = (place, credential);
        Path = System.IO.Path.Combine(parent, name);
        folder = new SocketFolder(parent);
        listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(folder.EndPoint(name));
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        listener.Listen(Backlog);
        RemoveDead(parent);
        serving = ServeAsync();
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Takes no more questions, and removes the socket.</summary>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        listener.Dispose();
        await serving.ConfigureAwait(false);
        File.Delete(Path);
        folder.Dispose();
        ending.Dispose();
    }

    /// <summary>The answer to a question of git's; empty for none.</summary>
    internal string Answer(string question)
    {
        var asked = Question().Match(question);
        return !asked.Success || RemotePlace.Of(asked.Groups["url"].Value) != place ? string.Empty
            : asked.Groups["what"].Value is "Username" ? credential.User
            : credential.Token ?? string.Empty;
    }

    // What killed processes left, by the age that it has beside this one.
    private void RemoveDead(string parent)
    {
        var now = File.GetLastWriteTimeUtc(Path);
        foreach (var file in Directory.EnumerateFiles(parent, "ask-*.sock"))
        {
            if (now - File.GetLastWriteTimeUtc(file) > Lifetime)
            {
                File.Delete(file);
            }
        }
    }

    private async Task ServeAsync()
    {
        while (!ending.IsCancellationRequested)
        {
            try
            {
                using var client = await listener.AcceptAsync(ending.Token).ConfigureAwait(false);
                using var bound = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
                bound.CancelAfter(Patience);
                await AnswerAsync(client, bound.Token).ConfigureAwait(false);
            }
            catch (Exception gone) when (
                gone is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // The asker has gone, or the transfer is over.
            }
        }
    }

    private async Task AnswerAsync(Socket client, CancellationToken cancel)
    {
        var question = new byte[GitErrand.MostBytes];
        var length = 0;
        while (length < question.Length
            && await client.ReceiveAsync(question.AsMemory(length), cancel).ConfigureAwait(false) is > 0 and var count)
        {
            length += count;
        }

        var answer = Answer(Encoding.UTF8.GetString(question, 0, length));
        await client.SendAsync(Encoding.UTF8.GetBytes(answer), cancel).ConfigureAwait(false);
    }

    [GeneratedRegex(
        "^(?<what>Username|Password) for '(?<url>[^']+)': ?$",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        1000)]
    private static partial Regex Question();
}
