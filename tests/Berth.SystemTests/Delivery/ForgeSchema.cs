using System.Globalization;
using System.Text.Json;
using Json.Schema;

namespace Berth.SystemTests.Delivery;

/// <summary>GitHub's REST API as GitHub publishes it, for requests to be held against.</summary>
internal sealed class ForgeSchema(JsonDocument document)
{
    // OpenAPI puts words of its own into schemas, such as `example`; this dialect takes them for annotations.
    private const string Dialect = "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",";
    private static readonly string[] Known = ["/repos/{owner}/{repo}", "/repositories/{repository_id}"];

    /// <summary>What is wrong with a request, or null.</summary>
    /// <param name="method">Its method.</param>
    /// <param name="target">Its path and query.</param>
    /// <param name="body">Its body, or nothing.</param>
    public string? Wrong(string method, string target, string body)
    {
        var path = target.Split('?')[0];
        if (OperationOf(method, path) is not { } operation)
        {
            // What a redirect names is no address of the document; its servers say what it stands for.
            return path.StartsWith("/repositories/", StringComparison.Ordinal) ? null : $"no {method} {path}";
        }

        return WrongQuery(operation, target) ?? WrongBody(operation, body);
    }

    private JsonElement? OperationOf(string method, string path)
    {
        var parts = path.Split('/');
        foreach (var described in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            var pattern = described.Name.Split('/');
            if (described.Name.StartsWith(Known[0], StringComparison.Ordinal) && pattern.Length == parts.Length
                && pattern.Zip(parts).All(each => each.First.StartsWith('{')
                    || string.Equals(each.First, each.Second, StringComparison.Ordinal))
                && described.Value.TryGetProperty(method.ToLowerInvariant(), out var operation))
            {
                return operation;
            }
        }

        return null;
    }

    private string? WrongQuery(JsonElement operation, string target)
    {
        var known = operation.GetProperty("parameters").EnumerateArray().Select(Resolved)
            .Where(each => each.GetProperty("in").GetString() is "query")
            .ToDictionary(each => each.GetProperty("name").GetString()!, StringComparer.Ordinal);
        foreach (var pair in target.Contains('?', StringComparison.Ordinal) ? target.Split('?')[1].Split('&') : [])
        {
            var (name, value) = (pair.Split('=')[0], Uri.UnescapeDataString(pair[(pair.IndexOf('=') + 1)..]));
            if (!known.TryGetValue(name, out var parameter))
            {
                return $"no query parameter {name}";
            }

            var schema = parameter.GetProperty("schema");
            var json = schema.GetProperty("type").GetString() is "integer"
                ? long.Parse(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture)
                : JsonSerializer.Serialize(value);
            if (!IsValid(schema, json))
            {
                return $"query parameter {name} is not valid";
            }
        }

        return null;
    }

    private static string? WrongBody(JsonElement operation, string body)
    {
        if (!operation.TryGetProperty("requestBody", out var described))
        {
            return body.Length == 0 ? null : "a body";
        }

        var schema = described.GetProperty("content").GetProperty("application/json").GetProperty("schema");
        if (!IsValid(schema, body))
        {
            return $"the body is not valid: {body}";
        }

        // The published schemas leave objects open; a field that they do not name is a mistake here.
        using var given = JsonDocument.Parse(body);
        var names = Names(schema);
        return given.RootElement.EnumerateObject().Select(each => each.Name)
            .FirstOrDefault(name => !names.Contains(name));
    }

    private static HashSet<string> Names(JsonElement schema) =>
    [
        .. schema.TryGetProperty("properties", out var properties)
            ? properties.EnumerateObject().Select(each => each.Name) : [],
        .. new[] { "oneOf", "anyOf" }.SelectMany(word => schema.TryGetProperty(word, out var some)
            ? some.EnumerateArray().SelectMany(Names) : []),
    ];

    private static bool IsValid(JsonElement schema, string json)
    {
        using var value = JsonDocument.Parse(json);
        return JsonSchema.FromText(Dialect + schema.GetRawText()[1..]).Evaluate(value.RootElement).IsValid;
    }

    private JsonElement Resolved(JsonElement parameter)
    {
        if (!parameter.TryGetProperty("$ref", out var reference))
        {
            return parameter;
        }

        var found = document.RootElement;
        foreach (var part in reference.GetString()!.Split('/').Skip(1))
        {
            found = found.GetProperty(part);
        }

        return found;
    }
}
