using System.Text.Json.Serialization;

namespace Berth.ScriptedModel;

/// <summary>One request and what it was given: a line of the log.</summary>
internal sealed record ModelRequest
{
    /// <summary>The number of the request, from 1.</summary>
    public required int Number { get; init; }

    /// <summary>When it came, UTC.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The HTTP method.</summary>
    public required string Method { get; init; }

    /// <summary>Path and query.</summary>
    public required string Path { get; init; }

    /// <summary>The headers that tests ask about, values as they came, credentials too.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    /// <summary>The size of the body in bytes.</summary>
    public long BodyBytes { get; set; }

    /// <summary>The model that was asked for.</summary>
    public string? Model { get; set; }

    /// <summary>Whether the answer was to be streamed.</summary>
    public bool Stream { get; set; }

    /// <summary>The turn that was played, from 1; null for a request beside the script.</summary>
    public int? Turn { get; set; }

    /// <summary>How often this turn has been asked for, from 1.</summary>
    public int? Attempt { get; set; }

    /// <summary>The status that was sent; 0 where nothing was sent.</summary>
    public int Status { get; set; }

    /// <summary>How the answer ended: sent, error, cut, or gone where the client went away.</summary>
    public string End { get; set; } = "sent";

    /// <summary>Tokens reported to the client.</summary>
    public Usage? Usage { get; set; }

    /// <summary>The names of the tools that the request offers.</summary>
    public IReadOnlyList<string> Tools { get; set; } = [];

    /// <summary>The length of the last prompt in UTF-8 bytes.</summary>
    public long? PromptBytes { get; set; }

    /// <summary>The SHA-256 of the last prompt, in hexadecimal.</summary>
    public string? PromptSha256 { get; set; }

    /// <summary>How long it took, in milliseconds.</summary>
    public long Ms { get; set; }

    /// <summary>The body, where bodies are kept.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<byte> Body { get; set; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ModelRequest))]
internal sealed partial class ModelJson : JsonSerializerContext;
