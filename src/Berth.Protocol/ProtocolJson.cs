using System.Text.Json;
using System.Text.Json.Serialization;

namespace Berth.Protocol;

/// <summary>How the files and messages of the protocol are written: camelCase, enums as snake_case words, nothing for
/// null.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    MaxDepth = Protocol.JournalEntry.MaxDataDepth + 8,
    Converters = [
        typeof(SnakeCaseEnumConverter<Fault>),
        typeof(SnakeCaseEnumConverter<ExitCause>),
        typeof(SnakeCaseEnumConverter<CaptureState>),
        typeof(SnakeCaseEnumConverter<ControlVerb>),
        typeof(SnakeCaseEnumConverter<FilterWay>),
    ])]
[JsonSerializable(typeof(SupervisorSpec))]
[JsonSerializable(typeof(RunSecrets))]
[JsonSerializable(typeof(ExecutionHandle))]
[JsonSerializable(typeof(ExitCause))]
[JsonSerializable(typeof(ExitRecord))]
[JsonSerializable(typeof(CaptureRecord))]
[JsonSerializable(typeof(JournalEntry))]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlReply))]
[JsonSerializable(typeof(Failure))]
[JsonSerializable(typeof(System.Text.Json.JsonElement))]
[JsonSerializable(typeof(string))]
public sealed partial class ProtocolJson : JsonSerializerContext;

/// <summary>Writes an enum as snake_case words: a number would change its meaning when a value is added.</summary>
public sealed class SnakeCaseEnumConverter<T>()
    : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;
