using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Engine.Budgets;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Network;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine.Runs;

/// <summary>How runs are written, in the database and for users: camelCase, enums as snake_case words.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    IgnoreReadOnlyProperties = true,
    Converters = [
        typeof(SnakeCaseEnumConverter<RunState>),
        typeof(SnakeCaseEnumConverter<CleanupState>),
        typeof(SnakeCaseEnumConverter<Fault>),
        typeof(SnakeCaseEnumConverter<PermissionMode>),
        typeof(SnakeCaseEnumConverter<Trust>),
        typeof(SnakeCaseEnumConverter<SandboxKind>),
        typeof(SnakeCaseEnumConverter<NetworkMode>),
        typeof(SnakeCaseEnumConverter<PushState>),
        typeof(SnakeCaseEnumConverter<BudgetScope>),
        typeof(SnakeCaseEnumConverter<BudgetUnit>),
    ])]
[JsonSerializable(typeof(RunPlan))]
[JsonSerializable(typeof(RunProgress))]
[JsonSerializable(typeof(RunOutcome))]
[JsonSerializable(typeof(Dictionary<string, string>), TypeInfoPropertyName = "WaitingEnvironment")]
[JsonSerializable(typeof(RunView))]
[JsonSerializable(typeof(RunPage))]
[JsonSerializable(typeof(IReadOnlyList<RunView>))]
internal sealed partial class RunJson : JsonSerializerContext
{
    /// <summary>The same with plain characters, for programs.</summary>
    public static RunJson Plain => field ??= new(new JsonSerializerOptions(Default.Options)
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    /// <summary>The same, indented and with plain characters, for people who read <c>--json</c>.</summary>
    public static RunJson Readable => field ??= new(new JsonSerializerOptions(Default.Options)
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
