using System.Net;
using System.Text.Json;

namespace Berth.Engine.Forges;

/// <summary>What a service answered.</summary>
/// <param name="Status">The status.</param>
/// <param name="Body">The body, or null where it is not JSON.</param>
internal sealed record ForgeAnswer(HttpStatusCode Status, JsonElement? Body)
{
    private const int MostMessage = 300;

    /// <summary>The headers that explain a refusal, by their names in lower case.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>A member of an object, or null.</summary>
    public static JsonElement? Member(JsonElement? value, string name) =>
        value is { ValueKind: JsonValueKind.Object } found && found.TryGetProperty(name, out var member)
            ? member
            : null;

    /// <summary>A text of the body, or null.</summary>
    public string? Text(string name) =>
        Member(Body, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    /// <summary>The service's own words, shortened.</summary>
    public string Message
    {
        get
        {
            var said = (Member(Body, "message") ?? Member(Body, "error"))?.ToString() ?? string.Empty;
            foreach (var name in new[] { "errors", "error_description" })
            {
                said += Member(Body, name) is { } more ? $" {more.GetRawText()}" : string.Empty;
            }

            return said.Length > MostMessage ? said[..MostMessage] + " …" : said;
        }
    }

    /// <summary>Parses a body.</summary>
    public static JsonElement? Json(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
