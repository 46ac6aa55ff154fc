using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Claude;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Commands;

/// <summary>What the commands print with <c>--json</c>, beside runs.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    Converters = [
        typeof(SnakeCaseEnumConverter<Fault>),
        typeof(SnakeCaseEnumConverter<MessageState>),
        typeof(SnakeCaseEnumConverter<Role>),
        typeof(SnakeCaseEnumConverter<PermissionMode>),
        typeof(SnakeCaseEnumConverter<Trust>),
    ])]
[JsonSerializable(typeof(FailureDocument))]
[JsonSerializable(typeof(DiffDocument))]
[JsonSerializable(typeof(BudgetReport))]
[JsonSerializable(typeof(WorkflowDocument))]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(CleanupReport))]
[JsonSerializable(typeof(MessageReceipt))]
[JsonSerializable(typeof(InterruptReceipt))]
[JsonSerializable(typeof(ApprovalReceipt))]
[JsonSerializable(typeof(IReadOnlyList<Artefact>))]
[JsonSerializable(typeof(RunImage))]
[JsonSerializable(typeof(NewToken))]
[JsonSerializable(typeof(IReadOnlyList<TokenListing>))]
[JsonSerializable(typeof(IReadOnlyList<WorkflowListing>))]
internal sealed partial class CommandJson : JsonSerializerContext
{
    /// <summary>Indented, and with plain characters: people read it too.</summary>
    public static CommandJson Readable => field ??= new(new JsonSerializerOptions(Default.Options)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}

/// <summary>A failure of a command.</summary>
internal sealed record FailureDocument(Failure Error);
