using System.Text.Json.Serialization;

namespace Berth.Terminal;

/// <summary>The few types that this folder writes as JSON.</summary>
[JsonSerializable(typeof(string))]
internal sealed partial class TerminalJson : JsonSerializerContext;
