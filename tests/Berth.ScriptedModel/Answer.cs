using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Berth.ScriptedModel;

/// <summary>What every answer says of itself.</summary>
internal sealed record AnswerHead(string Id, string Model, Usage Usage);

/// <summary>The two forms in which the API gives an answer.</summary>
internal interface IAnswer
{
    /// <summary>Whether the status line has been sent.</summary>
    bool Begun { get; }

    /// <summary>Sends what stands before the first block.</summary>
    Task BeginAsync(CancellationToken cancellation);

    /// <summary>Sends a text or thinking block, piece by piece.</summary>
    Task TextAsync(IEnumerable<string> pieces, bool thinking, CancellationToken cancellation);

    /// <summary>Sends a tool call.</summary>
    Task ToolAsync(string id, string name, string input, CancellationToken cancellation);

    /// <summary>Sends a ping, where the form has one.</summary>
    Task PingAsync(CancellationToken cancellation);

    /// <summary>Sends text as it is, where the form allows it.</summary>
    Task RawAsync(string text, CancellationToken cancellation);

    /// <summary>Sends what stands after the last block.</summary>
    Task FinishAsync(string stopReason, CancellationToken cancellation);
}

/// <summary>An answer as server-sent events.</summary>
internal sealed class StreamedAnswer(HttpResponse response, AnswerHead head) : IAnswer
{
    // Small enough that a client sees progress, large enough that a flood of megabytes takes milliseconds.
    private const int InputPiece = 4096;

    private int index;

    public bool Begun { get; private set; }

    public async Task BeginAsync(CancellationToken cancellation)
    {
        if (Begun)
        {
            return;
        }

        Begun = true;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        var message = MessageJson.Head(head);
        message["content"] = new JsonArray();
        message["usage"] = MessageJson.Usage(head.Usage, output: 1);
        await SendAsync("message_start", new JsonObject { ["message"] = message }, cancellation);
    }

    public async Task TextAsync(IEnumerable<string> pieces, bool thinking, CancellationToken cancellation)
    {
        await BeginAsync(cancellation);
        var field = thinking ? "thinking" : "text";
        var block = new JsonObject { ["type"] = field, [field] = "" };
        if (thinking)
        {
            block["signature"] = "";
        }

        await BlockStartAsync(block, cancellation);
        foreach (var piece in pieces)
        {
            await DeltaAsync(new JsonObject { ["type"] = $"{field}_delta", [field] = piece }, cancellation);
        }

        if (thinking)
        {
            var signature = new JsonObject { ["type"] = "signature_delta", ["signature"] = MessageJson.Signature };
            await DeltaAsync(signature, cancellation);
        }

        await BlockStopAsync(cancellation);
    }

    public async Task ToolAsync(string id, string name, string input, CancellationToken cancellation)
    {
        await BeginAsync(cancellation);
        var block = MessageJson.Tool(id, name, new JsonObject());
        await BlockStartAsync(block, cancellation);
        for (var at = 0; at < input.Length; at += InputPiece)
        {
            var piece = input.Substring(at, Math.Min(InputPiece, input.Length - at));
            await DeltaAsync(new JsonObject { ["type"] = "input_json_delta", ["partial_json"] = piece }, cancellation);
        }

        await BlockStopAsync(cancellation);
    }

    public async Task PingAsync(CancellationToken cancellation)
    {
        await BeginAsync(cancellation);
        await SendAsync("ping", [], cancellation);
    }

    public async Task RawAsync(string text, CancellationToken cancellation)
    {
        await BeginAsync(cancellation);
        await response.WriteAsync(text, cancellation);
        await response.Body.FlushAsync(cancellation);
    }

    public async Task FinishAsync(string stopReason, CancellationToken cancellation)
    {
        await BeginAsync(cancellation);
        var delta = new JsonObject
        {
            ["delta"] = new JsonObject { ["stop_reason"] = stopReason, ["stop_sequence"] = null },
            ["usage"] = MessageJson.Usage(head.Usage, head.Usage.Output),
        };
        await SendAsync("message_delta", delta, cancellation);
        await SendAsync("message_stop", [], cancellation);
    }

    /// <summary>Sends an <c>error</c> event: how the API says that it failed after it had begun.</summary>
    public Task ErrorAsync(ErrorStep error, CancellationToken cancellation) =>
        SendAsync("error", MessageJson.Error(error.Type, error.Message), cancellation);

    private Task BlockStartAsync(JsonObject block, CancellationToken cancellation) =>
        SendAsync("content_block_start", new JsonObject { ["index"] = index, ["content_block"] = block }, cancellation);

    private Task DeltaAsync(JsonObject delta, CancellationToken cancellation) =>
        SendAsync("content_block_delta", new JsonObject { ["index"] = index, ["delta"] = delta }, cancellation);

    private Task BlockStopAsync(CancellationToken cancellation) =>
        SendAsync("content_block_stop", new JsonObject { ["index"] = index++ }, cancellation);

    private async Task SendAsync(string type, JsonObject data, CancellationToken cancellation)
    {
        data["type"] = type;
        await response.WriteAsync($"event: {type}\ndata: {data.ToJsonString()}\n\n", cancellation);
        await response.Body.FlushAsync(cancellation);
    }
}

/// <summary>An answer as one JSON object, for a request without <c>stream</c>.</summary>
internal sealed class WholeAnswer(HttpResponse response, AnswerHead head) : IAnswer
{
    private readonly JsonArray content = [];

    public bool Begun => false;

    public Task BeginAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task TextAsync(IEnumerable<string> pieces, bool thinking, CancellationToken cancellation)
    {
        var field = thinking ? "thinking" : "text";
        var block = new JsonObject { ["type"] = field, [field] = string.Concat(pieces) };
        if (thinking)
        {
            block["signature"] = MessageJson.Signature;
        }

        content.Add((JsonNode)block);
        return Task.CompletedTask;
    }

    public Task ToolAsync(string id, string name, string input, CancellationToken cancellation)
    {
        content.Add((JsonNode)MessageJson.Tool(id, name, JsonNode.Parse(input)));
        return Task.CompletedTask;
    }

    public Task PingAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task RawAsync(string text, CancellationToken cancellation) => Task.CompletedTask;

    public Task FinishAsync(string stopReason, CancellationToken cancellation)
    {
        var message = MessageJson.Head(head);
        message["content"] = content;
        message["stop_reason"] = stopReason;
        message["usage"] = MessageJson.Usage(head.Usage, head.Usage.Output);
        response.ContentType = "application/json";
        return response.WriteAsync(message.ToJsonString(), cancellation);
    }
}

/// <summary>The JSON that both forms share.</summary>
internal static class MessageJson
{
    /// <summary>Stands for the signature of a thinking block; nobody checks it.</summary>
    public const string Signature = "c2NyaXB0ZWQ=";

    /// <summary>The fields of a message but its content and usage.</summary>
    public static JsonObject Head(AnswerHead head) => new()
    {
        ["id"] = head.Id,
        ["type"] = "message",
        ["role"] = "assistant",
        ["model"] = head.Model,
        ["stop_reason"] = null,
        ["stop_sequence"] = null,
    };

    /// <summary>A usage object.</summary>
    public static JsonObject Usage(Usage usage, long output) => new()
    {
        ["input_tokens"] = usage.Input,
        ["output_tokens"] = output,
        ["cache_read_input_tokens"] = usage.CacheRead,
        ["cache_creation_input_tokens"] = usage.CacheWrite,
        ["cache_creation"] = new JsonObject
        {
            ["ephemeral_5m_input_tokens"] = usage.CacheWrite - usage.CacheWrite1h,
            ["ephemeral_1h_input_tokens"] = usage.CacheWrite1h,
        },
    };

    /// <summary>A tool call.</summary>
    public static JsonObject Tool(string id, string name, JsonNode? input) => new()
    {
        ["type"] = "tool_use",
        ["id"] = id,
        ["name"] = name,
        ["input"] = input,
    };

    /// <summary>An error as the API words it.</summary>
    public static JsonObject Error(string type, string message) => new()
    {
        ["type"] = "error",
        ["error"] = new JsonObject { ["type"] = type, ["message"] = message },
    };

    /// <summary>A number of a sequence as part of an id.</summary>
    public static string Number(int value) => value.ToString("d4", CultureInfo.InvariantCulture);
}
