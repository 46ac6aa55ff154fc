using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>The control socket, with clients that behave and clients that do not.</summary>
public sealed class ControlTests : IDisposable
{
    private readonly SupervisedFixture run = new();

    public void Dispose() => run.Dispose();

    [Fact]
    public async Task Notes_and_messages_reach_journal_and_agent()
    {
        run.Secrets = new RunSecrets { Redact = ["very-secret"] };
        run.StartFake("!say first\n!no-result");
        await run.WaitForAsync("assistant");
        Assert.True((await run.AskAsync(new ControlRequest { Verb = ControlVerb.Ping })).Ok);
        const string Note = """{"type":"adopted","why":"a very-secret reason"}""";
        const string Input = """{"type":"user","uuid":"m1","message":{"content":"!result over"}}""";
        Assert.True((await run.AskAsync(Request(ControlVerb.Note, Note))).Ok);
        Assert.False((await run.AskAsync(Request(ControlVerb.Note, """["no","note"]"""))).Ok);
        Assert.False((await run.AskAsync(Request(ControlVerb.Message, "\"text\""))).Ok);
        Assert.True((await run.AskAsync(Request(ControlVerb.Message, Input))).Ok);
        Assert.Equal(ExitCause.Exited, (await run.EndAsync()).Cause);
        var note = run.Entries().Single(entry => SupervisedFixture.IsType(entry, BerthEvents.Adopted));
        Assert.Equal((JournalEntry.Berth, "a *** reason"), (note.Stream, note.Data.GetProperty("why").GetString()));
        Assert.True(run.Has("result"));
    }

    [Fact]
    public async Task A_message_after_the_result_is_refused()
    {
        // It stays after its result until it is cancelled, so there is somebody to refuse.
        run.Limits = run.Limits with { ResultGrace = SupervisedFixture.Bound };
        run.StartFake("!result over\n!sleep 2", "linger");
        await run.WaitForAsync("result");
        await Eventually.TrueAsync(
            async () => !(await run.AskAsync(Request(ControlVerb.Message, """{"uuid":"m1"}"""))).Ok, "the refusal",
            SupervisedFixture.Bound);
        Assert.True((await run.CancelAsync(force: true)).Ok);
        _ = await run.EndAsync();
    }

    [Fact]
    public async Task Clients_that_misbehave_do_no_harm()
    {
        run.StartFake("!say working\n!hang");
        await run.WaitForAsync("assistant");
        using var folder = new SocketFolder(run.Directory.Root);
        var idle = Enumerable.Range(0, 10).Select(_ => Connect(folder)).ToList();
        using var noisy = Connect(folder);
        await noisy.SendAsync("this is no json\n{\"verb\":\"unknown\"}\n"u8.ToArray(),
            TestContext.Current.CancellationToken);
        using var reader = new StreamReader(new NetworkStream(noisy));
        Assert.Contains("\"ok\":false", await reader.ReadLineAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
        Assert.Contains("\"ok\":false", await reader.ReadLineAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);

        // It asks for ever and reads nothing: its thread stops at the send bound, and nobody waits for it.
        using var deaf = Connect(folder);
        deaf.SendTimeout = 500;
        var pings = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"verb\":\"ping\"}\n", 4000)));
        for (var i = 0; i < 100; i++)
        {
            try
            {
                deaf.Send(pings);
            }
            catch (SocketException)
            {
                break;
            }
        }

        Assert.True((await run.CancelAsync()).Ok);
        idle.ForEach(socket => socket.Dispose());
        Assert.Equal(ExitCause.Cancelled, (await run.EndAsync()).Cause);
    }

    [Fact]
    public async Task A_request_without_end_is_refused()
    {
        run.StartFake("!say working\n!hang");
        await run.WaitForAsync("assistant");
        using var folder = new SocketFolder(run.Directory.Root);
        using var endless = Connect(folder);
        var chunk = new byte[1 << 20];
        chunk.AsSpan().Fill((byte)'x');
        var refused = false;
        for (var i = 0; i < 32 && !refused; i++)
        {
            try
            {
                endless.Send(chunk);
            }
            catch (SocketException)
            {
                refused = true;
            }
        }

        Assert.True(refused);
        Assert.True((await run.CancelAsync()).Ok);
        _ = await run.EndAsync();
    }

    private static Socket Connect(SocketFolder folder)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(folder.EndPoint(RunDirectory.ControlSocketName));
        return socket;
    }

    private static ControlRequest Request(ControlVerb verb, string data) =>
        new() { Verb = verb, Data = JsonSerializer.Deserialize(data, ProtocolJson.Default.JsonElement) };
}
