using System.Text.Json;

namespace Berth.Tests.Server;

/// <summary>One operation of docs/openapi.json.</summary>
/// <param name="Id">Its operationId.</param>
/// <param name="Method">In capitals.</param>
/// <param name="Path">With its parameters in braces.</param>
/// <param name="Role">The least role that it takes, or null where it takes no token.</param>
/// <param name="Definition">What the document says of it.</param>
internal sealed record ApiOperation(string Id, string Method, string Path, string? Role, JsonElement Definition)
{
    /// <summary>Whether it takes a body.</summary>
    public bool TakesBody => Definition.TryGetProperty("requestBody", out _);

    /// <summary>The schema of its answer in JSON when all is well, or null where it has none.</summary>
    public JsonElement? Answer => Definition.GetProperty("responses").EnumerateObject()
        .Where(answer => answer.Name.StartsWith('2') && answer.Value.TryGetProperty("content", out var content)
            && content.TryGetProperty("application/json", out _))
        .Select(answer => (JsonElement?)answer.Value
            .GetProperty("content").GetProperty("application/json").GetProperty("schema"))
        .FirstOrDefault();

    /// <summary>Whether the document says that it may answer with a status.</summary>
    public bool Names(int status) => Definition.GetProperty("responses").EnumerateObject().Any(
        answer => answer.NameEquals(status.ToString(System.Globalization.CultureInfo.InvariantCulture)));

    public override string ToString() => $"{Method} {Path}";
}

/// <summary>docs/openapi.json, as tests ask it.</summary>
internal sealed class ApiDocument(string text)
{
    private const string RefersTo = "#/components/schemas/";

    /// <summary>The document.</summary>
    public JsonElement Root { get; } = JsonDocument.Parse(text).RootElement;

    /// <summary>Its schemas.</summary>
    public JsonElement Schemas => Root.GetProperty("components").GetProperty("schemas");

    /// <summary>Its operations.</summary>
    public IReadOnlyList<ApiOperation> Operations =>
    [
        .. from path in Root.GetProperty("paths").EnumerateObject()
           from operation in path.Value.EnumerateObject()
           select new ApiOperation(
               operation.Value.GetProperty("operationId").GetString()!,
               operation.Name.ToUpperInvariant(),
               path.Name,
               operation.Value.TryGetProperty("x-role", out var role) ? role.GetString() : null,
               operation.Value),
    ];

    /// <summary>The name of the schema that another refers to, or null where it is one itself.</summary>
    public static string? NameOf(JsonElement schema) =>
        schema.TryGetProperty("$ref", out var reference) && reference.GetString() is { } target
        && target.StartsWith(RefersTo, StringComparison.Ordinal)
            ? target[RefersTo.Length..]
            : null;
}
