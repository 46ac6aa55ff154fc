using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Engine.Processes;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>The server of a home: one at most, and while it lives it looks after all runs.</summary>
/// <param name="Process">Its process.</param>
/// <param name="Urls">Where it listens.</param>
internal sealed record ServerPresence(ProcessIdentity Process, IReadOnlyList<string> Urls);

/// <summary>The lock that the server of a home holds, with who it is.</summary>
internal sealed class ServerLock : IDisposable
{
    private const int MostBytes = 64 * 1024;
    private readonly LockFile file;

    private ServerLock(LockFile file) => this.file = file;

    /// <summary>Takes it.</summary>
    /// <exception cref="FailureException"><c>server_running</c>, which names the one that has it.</exception>
    public static ServerLock Take(string home) => LockFile.TryTake(PathIn(home)) is { } file
        ? new ServerLock(file)
        : throw new FailureException(
            "server_running",
            Read(home) is { } other
                ? $"A server looks after {home} already: process {other.Process.Pid}, at "
                    + $"{string.Join(", ", other.Urls)}."
                : $"A server looks after {home} already.",
            "Use that one, stop it with berth drain, or set BERTH_HOME to another folder.",
            Fault.Operator);

    /// <summary>Whether a server looks after a home at this moment.</summary>
    public static bool IsHeld(string home) => LockFile.IsHeld(PathIn(home));

    /// <summary>Who looks after a home, or null where nobody does, or does not say yet.</summary>
    public static ServerPresence? Find(string home) => IsHeld(home) ? Read(home) : null;

    /// <summary>Says who it is.</summary>
    public void Write(ServerPresence presence)
    {
        file.Content.SetLength(0);
        file.Content.Position = 0;
        file.Content.Write(JsonSerializer.SerializeToUtf8Bytes(presence, ServerJson.Default.ServerPresence));
        file.Content.Flush(flushToDisk: true);
    }

    public void Dispose() => file.Dispose();

    private static string PathIn(string home) => Path.Combine(home, "server.lock");

    private static ServerPresence? Read(string home)
    {
        try
        {
            // Opened past the lock, which is only advice.
            using var content = Descriptor.TryOpen(PathIn(home));
            var bytes = new byte[MostBytes];
            var count = content is null ? 0 : RandomAccess.Read(content, bytes, 0);
            return JsonSerializer.Deserialize(bytes.AsSpan(0, count), ServerJson.Default.ServerPresence);
        }
        catch (JsonException)
        {
            // It has just been taken, and nothing stands in it yet.
            return null;
        }
    }
}

/// <summary>How it is written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ServerPresence))]
internal sealed partial class ServerJson : JsonSerializerContext;
