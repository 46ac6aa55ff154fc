using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Berth.Tests.Server;

/// <summary>Compares a schema of the document with what is really written of a type.</summary>
/// <param name="document">The document.</param>
/// <param name="seen">Takes the names of the schemas that were compared.</param>
internal sealed class SchemaComparison(ApiDocument document, HashSet<string> seen)
{
    /// <summary>What differs.</summary>
    public IReadOnlyList<string> Of(JsonElement schema, JsonTypeInfo type) => [.. Of(schema, type, type.Type.Name)];

    private IEnumerable<string> Of(JsonElement schema, JsonTypeInfo type, string place)
    {
        if (ApiDocument.NameOf(schema) is { } name)
        {
            // A schema that two types have is compared with the first.
            return seen.Add(name) ? Of(document.Schemas.GetProperty(name), type, name) : [];
        }

        return type.Kind switch
        {
            JsonTypeInfoKind.Object => OfObject(schema, type, place),
            JsonTypeInfoKind.Enumerable => OfInner(schema, "array", "items", type, place),
            JsonTypeInfoKind.Dictionary => OfInner(schema, "object", "additionalProperties", type, place),
            _ => OfSimple(schema, type.Type, place),
        };
    }

    private IEnumerable<string> OfObject(JsonElement schema, JsonTypeInfo type, string place)
    {
        var properties = schema.GetProperty("properties");

        // Those without a setter are reckoned from the others, and are not written.
        var written = type.Properties.Where(each => each.Set is not null).ToList();
        var names = written.Select(each => each.Name).Order(StringComparer.Ordinal).ToList();
        if (!names.SequenceEqual(Names(properties.EnumerateObject().Select(each => each.Name)), StringComparer.Ordinal))
        {
            yield return $"{place}: expected the properties {string.Join(", ", names)}";
            yield break;
        }

        if (!names.SequenceEqual(
            Names(schema.GetProperty("required").EnumerateArray().Select(each => each.GetString()!)),
            StringComparer.Ordinal))
        {
            yield return $"{place}: all of its properties are always there";
        }

        foreach (var property in written)
        {
            var described = properties.GetProperty(property.Name);
            var isNullable = property.PropertyType.IsValueType
                ? Nullable.GetUnderlyingType(property.PropertyType) is not null
                : property.IsGetNullable;
            if (isNullable != AllowsNull(described, out var inner))
            {
                yield return $"{place}.{property.Name}: {(isNullable ? "may" : "cannot")} be null";
            }

            foreach (var wrong in Of(
                inner, type.Options.GetTypeInfo(property.PropertyType), $"{place}.{property.Name}"))
            {
                yield return wrong;
            }
        }
    }

    private IEnumerable<string> OfInner(
        JsonElement schema, string word, string inner, JsonTypeInfo type, string place) =>
        Types(schema).Contains(word, StringComparer.Ordinal) && schema.TryGetProperty(inner, out var element)
            ? Of(element, type.Options.GetTypeInfo(type.ElementType!), $"{place}[]")
            : [$"{place}: expected {word} with {inner}"];

    private static IEnumerable<string> OfSimple(JsonElement schema, Type written, string place)
    {
        var type = Nullable.GetUnderlyingType(written) ?? written;
        var word = type == typeof(bool) ? "boolean"
            : type == typeof(int) || type == typeof(long) ? "integer"
            : type == typeof(decimal) || type == typeof(double) ? "number"
            : type == typeof(JsonElement) ? null
            : "string";
        if (!Types(schema).SequenceEqual(word is null ? [] : [word], StringComparer.Ordinal))
        {
            yield return $"{place}: expected {word ?? "anything"}";
        }

        var expected = type == typeof(DateTimeOffset) ? "date-time" : type == typeof(long) ? "int64" : null;
        var format = schema.TryGetProperty("format", out var said) ? said.GetString() : null;
        if (!string.Equals(expected, format, StringComparison.Ordinal))
        {
            yield return $"{place}: a time has the format date-time, a long number int64, and nothing else has one";
        }

        if (type.IsEnum && !Enum.GetNames(type).Select(JsonNamingPolicy.SnakeCaseLower.ConvertName).SequenceEqual(
            schema.GetProperty("enum").EnumerateArray().Select(each => each.GetString()), StringComparer.Ordinal))
        {
            yield return $"{place}: expected the words of {type.Name}";
        }
    }

    private static bool AllowsNull(JsonElement schema, out JsonElement inner)
    {
        inner = schema;
        if (schema.TryGetProperty("oneOf", out var choice))
        {
            inner = choice[0];
            return true;
        }

        // What may be anything may be null.
        return ApiDocument.NameOf(schema) is null
            && (!schema.TryGetProperty("type", out var type)
                || (type.ValueKind == JsonValueKind.Array
                    && type.EnumerateArray().Any(each => each.ValueEquals("null"))));
    }

    private static IEnumerable<string> Types(JsonElement schema) =>
        !schema.TryGetProperty("type", out var type) ? []
        : type.ValueKind == JsonValueKind.String ? [type.GetString()!]
        : type.EnumerateArray().Select(each => each.GetString()!).Where(each => each is not "null");

    private static IEnumerable<string> Names(IEnumerable<string> names) => names.Order(StringComparer.Ordinal);
}
