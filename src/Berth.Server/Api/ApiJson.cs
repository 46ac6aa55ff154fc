using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Berth.Engine;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>How the API writes what it answers, beside runs, which are written as everywhere.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    IgnoreReadOnlyProperties = true,
    Converters = [typeof(SnakeCaseEnumConverter<Fault>), typeof(SnakeCaseEnumConverter<MessageState>)])]
[JsonSerializable(typeof(ProblemDocument))]
[JsonSerializable(typeof(DiffAnswer))]
[JsonSerializable(typeof(BudgetReport))]
[JsonSerializable(typeof(CleanupReport))]
[JsonSerializable(typeof(MessageReceipt))]
[JsonSerializable(typeof(InterruptReceipt))]
[JsonSerializable(typeof(ApprovalReceipt))]
[JsonSerializable(typeof(IReadOnlyList<Artefact>))]
[JsonSerializable(typeof(ServerVersion))]
[JsonSerializable(typeof(ServerHealth))]
[JsonSerializable(typeof(WorkflowDetails))]
[JsonSerializable(typeof(IReadOnlyList<WaitingCall>))]
[JsonSerializable(typeof(IReadOnlyList<WorkflowListing>))]
[JsonSerializable(typeof(IReadOnlyList<ExecutorProbe>))]
internal sealed partial class ApiJson : JsonSerializerContext
{
    /// <summary>The same with plain characters.</summary>
    public static ApiJson Readable => field ??= new(new JsonSerializerOptions(Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}

/// <summary>What a run changed.</summary>
internal sealed record DiffAnswer(
    string Id, string? Branch, string? BaseCommit, string? HeadCommit, IReadOnlyList<ChangedFile> FilesChanged,
    string Diff);

/// <summary>What answers.</summary>
internal sealed record ServerVersion(string Version, string ClaudeVersion);

/// <summary>How it is.</summary>
internal sealed record ServerHealth(string Status);

/// <summary>Writes answers.</summary>
internal static class Answer
{
    /// <summary>Answers with a document.</summary>
    public static async Task JsonAsync<T>(
        HttpContext context, T document, JsonTypeInfo<T> type, string contentType = "application/json")
    {
        var bytes = Leaving.Redact(context, JsonSerializer.SerializeToUtf8Bytes(document, type));
        await BytesAsync(context, bytes, contentType);
    }

    /// <summary>Answers with a document that is written already, and may leave.</summary>
    public static async Task BytesAsync(HttpContext context, byte[] bytes, string contentType = "application/json")
    {
        context.Response.ContentType = contentType;
        if (context.Response.Body is not RedactedStream)
        {
            context.Response.ContentLength = bytes.Length;
        }

        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
