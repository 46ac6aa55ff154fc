using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Berth.FakeClaude;

/// <summary>Standard input and output, and what the script has asked for so far.</summary>
internal sealed class Stage
{
    private readonly BlockingCollection<Message?> messages = [];
    private readonly Dictionary<string, string> answers = new(StringComparer.Ordinal);
    private readonly HashSet<PosixSignal> ignored = [];
    private readonly List<PosixSignalRegistration> registrations = [];
    private readonly Lock gate = new();
    private readonly Stream output = Console.OpenStandardOutput();

    internal Stage()
    {
        // As the real CLI ends by them; .NET 10 itself has no handlers any more.
        OnSignal(PosixSignal.SIGTERM, 143);
        OnSignal(PosixSignal.SIGHUP, 129);
        OnSignal(PosixSignal.SIGINT, 0);

        // A thread of its own, so that interrupts are answered while a verb sleeps.
        new Thread(ReadInput) { IsBackground = true, Name = "input" }.Start();
    }

    internal string SessionId { get; } = Guid.NewGuid().ToString();

    internal string Prompt { get; set; } = "";

    internal bool ResultPrinted { get; set; }

    internal bool WithoutResult { get; set; }

    internal bool Lingers { get; set; }

    internal bool IgnoresInterrupt { get; set; }

    internal int ExitCode { get; set; }

    /// <summary>The next user message, or null at the end of input.</summary>
    internal Message? NextMessage()
    {
        var next = messages.Take();
        Follow(next, "started");
        return next;
    }

    /// <summary>The turn of a message has ended.</summary>
    internal void Complete(Message message) => Follow(message, "completed");

    /// <summary>Waits until permission requests are answered.</summary>
    internal void WaitForAnswers(IEnumerable<string> requests)
    {
        foreach (var request in requests)
        {
            lock (answers)
            {
                while (!answers.ContainsKey(request))
                {
                    Monitor.Wait(answers);
                }
            }
        }
    }

    internal void Ignore(PosixSignal signal) => ignored.Add(signal);

    internal void Print(JsonObject data)
    {
        if (string.Equals(data["type"]?.GetValue<string>(), "result", StringComparison.Ordinal))
        {
            ResultPrinted = true;
        }

        PrintBytes(Encoding.UTF8.GetBytes(data.ToJsonString() + "\n"));
    }

    internal void PrintBytes(ReadOnlySpan<byte> bytes)
    {
        lock (gate)
        {
            output.Write(bytes);
            output.Flush();
        }
    }

    internal void LingerIfAsked()
    {
        if (Lingers)
        {
            Thread.Sleep(Timeout.Infinite);
        }
    }

    private void OnSignal(PosixSignal signal, int code) =>
        registrations.Add(PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        if (!ignored.Contains(signal))
        {
            Environment.Exit(code);
        }
    }));

    private void ReadInput()
    {
        using var reader = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false), false, 1 << 20);
        while (reader.ReadLine() is { } line)
        {
            using var document = JsonDocument.Parse(line);
            var message = document.RootElement;
            if (Scripts.TextOf(message) is { } text)
            {
                var sent = new Message(text, message.TryGetProperty("uuid", out var id) ? id.GetString() : null);
                Follow(sent, "queued");
                messages.Add(sent);
            }
            else if (message.GetProperty("type").ValueEquals("control_response"))
            {
                TakeAnswer(message.GetProperty("response"));
            }
            else if (message.GetProperty("type").ValueEquals("control_request"))
            {
                AnswerControl(message);
            }
        }

        messages.Add(null);
    }

    // As the real CLI does it, for messages that have an id.
    private void Follow(Message? message, string state)
    {
        if (message?.Id is { } id)
        {
            Print(new JsonObject { ["type"] = "command_lifecycle", ["command_uuid"] = id, ["state"] = state });
        }
    }

    private void TakeAnswer(JsonElement response)
    {
        var id = response.GetProperty("request_id").GetString()!;
        var behaviour = response.GetProperty("response").GetProperty("behavior").GetString()!;
        var fact = Events.Fact("answered");
        fact["request"] = id;
        fact["behaviour"] = behaviour;
        Print(fact);
        lock (answers)
        {
            answers[id] = behaviour;
            Monitor.PulseAll(answers);
        }
    }

    private void AnswerControl(JsonElement request)
    {
        Print(Events.ControlResponse(request.GetProperty("request_id").GetString()));
        if (IgnoresInterrupt || !request.GetProperty("request").GetProperty("subtype").ValueEquals("interrupt"))
        {
            return;
        }

        if (!ResultPrinted && !WithoutResult)
        {
            Print(Events.Result(SessionId, "", "error_during_execution", isError: true));
        }

        Environment.Exit(1);
    }
}

/// <summary>A user message, and its id where it has one.</summary>
internal sealed record Message(string Text, string? Id);
