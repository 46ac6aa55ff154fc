using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using Berth.Protocol;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>The JSON object of a request, field by field. What is not understood is refused by its name.</summary>
internal sealed class RequestBody : IDisposable
{
    /// <summary>The largest body: a prompt of 9 MiB, and room for what JSON makes of it.</summary>
    public const int MostBytes = 32 * 1024 * 1024;
    private const int MostDepth = 16;
    private readonly JsonDocument document;

    private RequestBody(JsonDocument document, byte[] bytes) => (this.document, Bytes) = (document, bytes);

    /// <summary>The body as it came.</summary>
    public byte[] Bytes { get; }

    /// <summary>Reads it.</summary>
    /// <exception cref="FailureException"><c>media_type_not_json</c>, <c>body_too_large</c>,
    /// <c>request_invalid</c>.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request)
    {
        if (!request.HasJsonContentType())
        {
            throw new FailureException(
                "media_type_not_json",
                $"The body's type is {request.ContentType ?? "not said"}; expected application/json.",
                "Send the header Content-Type: application/json.",
                Fault.User);
        }

        using var body = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int count;
        while ((count = await request.Body.ReadAsync(buffer, request.HttpContext.RequestAborted)) > 0)
        {
            if (body.Length + count > MostBytes)
            {
                throw TooLarge();
            }

            await body.WriteAsync(buffer.AsMemory(0, count));
        }

        return Parse(body.ToArray());
    }

    /// <summary>The failure of a body that is too large.</summary>
    public static FailureException TooLarge() => new(
        "body_too_large", $"The body is larger than {MostBytes} bytes.", "Send less.", Fault.User);

    /// <summary>Parses it.</summary>
    /// <exception cref="FailureException"><c>request_invalid</c>.</exception>
    internal static RequestBody Parse(byte[] bytes)
    {
        // The parser takes what stands in texts and names as it is, and would fail when it is asked for them.
        if (!Utf8.IsValid(bytes))
        {
            throw NotUnicode();
        }

        try
        {
            var parsed = JsonDocument.Parse(
                bytes, new JsonDocumentOptions { MaxDepth = MostDepth, AllowDuplicateProperties = false });
            if (parsed.RootElement.ValueKind == JsonValueKind.Object)
            {
                return new RequestBody(parsed, bytes);
            }

            parsed.Dispose();
            throw Invalid("The body is no JSON object.");
        }
        catch (JsonException wrong)
        {
            throw Invalid(string.Create(
                CultureInfo.InvariantCulture,
                $"The body is not valid JSON at line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}."));
        }
        catch (InvalidOperationException)
        {
            // A field's name with half a character in it.
            throw NotUnicode();
        }
    }

    /// <summary>A text that must be there.</summary>
    public string Required(string name) =>
        Text(name) ?? throw Missing(name);

    /// <summary>A text, or null.</summary>
    public string? Text(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? TextOf(value, name)
        : throw Wrong(name, "a text");

    /// <summary>A whole number in a range, or null.</summary>
    public int? Whole(string name, int least, int most) => (int?)Large(name, least, most);

    /// <summary>The same for large numbers.</summary>
    public long? Large(string name, long least, long most) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number)
            && number >= least && number <= most
            ? number
            : throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"a whole number, {least} to {most}"));

    /// <summary>An amount, or null.</summary>
    public decimal? Amount(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number) ? number
        : throw Wrong(name, "an amount");

    /// <summary>Yes or no, or null.</summary>
    public bool? Switch(string name) => Find(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(name, "true or false");

    /// <summary>An object whose values are all texts; empty where it is not there.</summary>
    public Dictionary<string, string> Texts(string name)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Find(name) is not { } value)
        {
            return texts;
        }

        if (value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(name, "an object of texts");
        }

        foreach (var property in value.EnumerateObject())
        {
            texts[property.Name] = property.Value.ValueKind == JsonValueKind.String
                ? TextOf(property.Value, name)
                : throw Wrong(name, "an object of texts");
        }

        return texts;
    }

    /// <summary>An array of texts; empty where it is not there.</summary>
    public IReadOnlyList<string> List(string name) => Find(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array
            && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            ? [.. value.EnumerateArray().Select(item => TextOf(item, name))]
        : throw Wrong(name, "an array of texts");

    /// <summary>A value as the JSON that it came as, or null.</summary>
    /// <param name="name">Of which field.</param>
    /// <param name="kind">An array or an object.</param>
    public string? Json(string name, JsonValueKind kind) => Find(name) is not { } value ? null
        : value.ValueKind == kind ? value.GetRawText()
        : throw Wrong(name, kind == JsonValueKind.Array ? "an array" : "an object");

    /// <summary>Whether a field is there, and not null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>The failure of a field that is not there.</summary>
    public static FailureException Missing(string name) => Invalid($"The field {name} is missing.");

    /// <summary>Refuses what nobody asked for: a misspelt field would otherwise be a limit that does not
    /// hold.</summary>
    /// <param name="fields">What there is.</param>
    public void RefuseOthers(IReadOnlyCollection<string> fields)
    {
        foreach (var property in document.RootElement.EnumerateObject())
        {
            if (!fields.Contains(property.Name, StringComparer.Ordinal))
            {
                var shown = new string([.. property.Name.Where(letter => !char.IsControl(letter)).Take(64)]);
                throw Invalid($"There is no field \"{shown}\". There are: {string.Join(", ", fields)}.");
            }
        }
    }

    public void Dispose() => document.Dispose();

    private static string TextOf(JsonElement value, string name)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Wrong(name, "text in Unicode");
        }
    }

    private static FailureException NotUnicode() => Invalid("The body holds text that is not Unicode.");

    private static FailureException Wrong(string name, string expected) =>
        Invalid($"The field {name} is not valid: expected {expected}.");

    private static FailureException Invalid(string message) => new(
        "request_invalid", message, "docs/API.md says what can be sent.", Fault.User);

    private JsonElement? Find(string name) =>
        document.RootElement.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;
}
