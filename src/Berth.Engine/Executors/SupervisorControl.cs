using System.Net.Sockets;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors;

/// <summary>Speaks to a supervisor: one JSON line there, one back. Each step has a bound, for the other side may
/// hang.</summary>
internal sealed class SupervisorControl(TimeProvider time, TimeSpan replyLimit)
{
    // A reply is a word and perhaps a sentence.
    private const int ReplyBytes = 64 * 1024;

    // One that has too many clients, or has not started the agent yet, refuses for that moment only.
    private static readonly TimeSpan RefusalBound = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Asks again and again while there is one to ask, for it listens a moment after it has written its
    /// handle, and stops listening a moment before it ends.</summary>
    /// <returns>The last reply, or null where nobody answered in time or nobody is left to answer.</returns>
    internal async Task<ControlReply?> AskWhileAsync(
        RunDirectory run, ControlRequest request, Func<bool> isLive, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        ControlReply? reply = null;
        while (isLive())
        {
            reply = await AskAsync(run, request, cancellation) ?? reply;
            var bound = reply is null ? replyLimit : RefusalBound;
            if (reply is { Ok: true } or { Code: not null } || time.GetElapsedTime(started) > bound)
            {
                return reply;
            }

            await Task.Delay(Pause, time, cancellation);
        }

        return null;
    }

    /// <summary>Says something that is to be done.</summary>
    /// <param name="runId">The run.</param>
    /// <param name="run">Its directory.</param>
    /// <param name="request">What is said.</param>
    /// <param name="living">What the run's supervisor is called, for people; null where none lives.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="FailureException">It is refused, nobody answers, or the run does not run.</exception>
    internal async Task SendAsync(
        string runId, RunDirectory run, ControlRequest request, Func<string?> living, CancellationToken cancellation)
    {
        var reply = await AskWhileAsync(run, request, () => living() is not null, cancellation);
        switch (reply)
        {
            case { Ok: true }:
                return;
            case { } refusal:
                throw SupervisorFailures.Refused(runId, request.Verb, refusal);
            default:
                throw living() is { } name
                    ? SupervisorFailures.NotAnswering(runId, name)
                    : SupervisorFailures.NotRunning(runId);
        }
    }

    /// <summary>Asks once.</summary>
    /// <returns>The reply, or null where nobody answered in time or nobody listens.</returns>
    internal async Task<ControlReply?> AskAsync(
        RunDirectory run, ControlRequest request, CancellationToken cancellation)
    {
        using var limit = new CancellationTokenSource(replyLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            using var folder = new SocketFolder(run.Root);
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(folder.EndPoint(RunDirectory.ControlSocketName), either.Token);
            byte[] line =
                [.. JsonSerializer.SerializeToUtf8Bytes(request, ProtocolJson.Default.ControlRequest), (byte)'\n'];
            await SendAllAsync(socket, line, either.Token);
            return await ReceiveAsync(socket, either.Token);
        }
        catch (Exception silent) when (silent is SocketException or DirectoryNotFoundException or JsonException
            || (silent is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return null;
        }
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, cancellation)..];
        }
    }

    private static async Task<ControlReply?> ReceiveAsync(Socket socket, CancellationToken cancellation)
    {
        var buffer = new byte[ReplyBytes];
        var size = 0;
        while (size < buffer.Length
            && await socket.ReceiveAsync(buffer.AsMemory(size), cancellation) is > 0 and var read)
        {
            size += read;
            var end = buffer.AsSpan(0, size).IndexOf((byte)'\n');
            if (end >= 0)
            {
                return JsonSerializer.Deserialize(buffer.AsSpan(0, end), ProtocolJson.Default.ControlReply);
            }
        }

        return null;
    }
}
