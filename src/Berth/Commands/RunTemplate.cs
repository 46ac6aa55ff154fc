using System.Text;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Commands;

/// <summary>How <c>berth ps --format</c> prints a run: text with fields of the run's JSON object in it.</summary>
/// <remarks>
/// Written as docker's and gh's users have it in their fingers, <c>{{.state}}</c>, whatever the case of the letters;
/// but there are fields only, and no functions. <c>\t</c> and <c>\n</c> are what they are elsewhere.
/// </remarks>
internal sealed class RunTemplate
{
    private const string ShortId = "shortId";
    private const string WholeLine = "json";
    private const string Opening = "{{";
    private const string Closing = "}}";

    private readonly IReadOnlyList<Piece> pieces;

    private RunTemplate(IReadOnlyList<Piece> pieces) => this.pieces = pieces;

    /// <summary>A text, or a path of fields; an empty path is the whole object.</summary>
    private sealed record Piece(string? Text, IReadOnlyList<string> Path);

    /// <summary>The fields that a template may begin with.</summary>
    public static IReadOnlyList<string> Fields { get; } =
        [.. RunJson.Plain.RunView.Properties.Select(property => property.Name), ShortId];

    /// <summary>Reads a template.</summary>
    /// <exception cref="FailureException"><c>usage</c>.</exception>
    public static RunTemplate Parse(string text)
    {
        if (text is WholeLine)
        {
            return new RunTemplate([new Piece(null, [])]);
        }

        var parts = new List<Piece>();
        for (var rest = text; rest.Length > 0;)
        {
            var begin = rest.IndexOf(Opening, StringComparison.Ordinal);
            var before = begin < 0 ? rest : rest[..begin];
            parts.Add(new Piece(
                before.Replace("\\t", "\t", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal),
                []));
            if (begin < 0)
            {
                break;
            }

            var end = rest.IndexOf(Closing, begin, StringComparison.Ordinal);
            if (end < 0)
            {
                throw Invalid($"{rest[begin..]} has no {Closing}.");
            }

            parts.Add(new Piece(null, PathOf(rest[(begin + Opening.Length)..end].Trim())));
            rest = rest[(end + Closing.Length)..];
        }

        return new RunTemplate(parts);
    }

    /// <summary>The run by the template.</summary>
    public string Of(RunView run)
    {
        var json = JsonSerializer.SerializeToElement(run, RunJson.Plain.RunView);
        var text = new StringBuilder();
        foreach (var piece in pieces)
        {
            text.Append(piece switch
            {
                { Text: { } fixedText } => fixedText,
                { Path: [] } => JsonSerializer.Serialize(run, RunJson.Plain.RunView),
                { Path: [ShortId] } => RunId.Short(run.Id),
                _ => TextOf(Found(json, piece.Path)),
            });
        }

        return text.ToString();
    }

    private static string[] PathOf(string field)
    {
        if (field is "json ." or ".")
        {
            return [];
        }

        var names = field.TrimStart('.').Split('.');
        var first = Fields.FirstOrDefault(name => string.Equals(name, names[0], StringComparison.OrdinalIgnoreCase));
        return field.StartsWith('.') && first is not null
            ? [first, .. names[1..]]
            : throw Invalid($"there is no {Opening}{field}{Closing}.{NearestName.Question(names[0], Fields)}");
    }

    private static JsonElement? Found(JsonElement element, IReadOnlyList<string> path)
    {
        foreach (var name in path)
        {
            if (element.ValueKind != JsonValueKind.Object)
            {
                return null;
            }

            var member = element.EnumerateObject().Where(
                each => string.Equals(each.Name, name, StringComparison.OrdinalIgnoreCase)).Take(1).ToList();
            if (member is not [var found])
            {
                return null;
            }

            element = found.Value;
        }

        return element;
    }

    private static string TextOf(JsonElement? value) => value switch
    {
        null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => string.Empty,
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { } other => other.GetRawText(),
    };

    private static FailureException Invalid(string why) => new(
        "usage",
        $"--format is not valid: {why}",
        $"Write fields of --json such as '{{{{.shortId}}}} {{{{.title}}}}'. There are {string.Join(", ", Fields)}.",
        Fault.User);
}
