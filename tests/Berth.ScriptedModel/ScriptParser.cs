using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Berth.ScriptedModel;

/// <summary>Reads the script language; README.md has the words.</summary>
internal sealed class ScriptParser
{
    private readonly string[] lines;
    private readonly List<Turn> turns = [];
    private readonly List<Step> steps = [];
    private int next;
    private Turn draft = new() { Steps = [] };

    private ScriptParser(string text) => lines = text.ReplaceLineEndings("\n").Split('\n');

    /// <summary>Reads a script.</summary>
    /// <exception cref="ScriptException">A line is not in the language.</exception>
    public static Script Parse(string text)
    {
        var parser = new ScriptParser(text);
        while (parser.next < parser.lines.Length)
        {
            parser.ReadLine(parser.lines[parser.next++]);
        }

        parser.EndTurn();
        return new Script(parser.turns, KeyOf(text));
    }

    private static string KeyOf(string text)
    {
        // Not a security matter: two scripts of one session must only not make up the same ids.
        var hash = 14695981039346656037UL;
        foreach (var unit in text)
        {
            hash = unchecked((hash ^ unit) * 1099511628211UL);
        }

        return hash.ToString("x16", CultureInfo.InvariantCulture)[..8];
    }

    private void ReadLine(string line)
    {
        var trimmed = line.Trim();
        if (trimmed.Length == 0 || trimmed[0] == '#')
        {
            return;
        }

        if (string.Equals(trimmed, "---", StringComparison.Ordinal))
        {
            EndTurn();
            return;
        }

        var split = trimmed.IndexOf(' ', StringComparison.Ordinal);
        var word = split < 0 ? trimmed : trimmed[..split];
        var rest = split < 0 ? "" : trimmed[(split + 1)..].TrimStart();
        if (!ReadTurnProperty(word, rest))
        {
            steps.Add(ReadContent(word, rest) ?? ReadFault(word, rest)
                ?? throw Expected($"a word of the script language, but found '{word}'"));
        }
    }

    private void EndTurn()
    {
        if (steps.Count > 0)
        {
            turns.Add(draft with { Steps = [.. steps] });
        }

        steps.Clear();
        draft = new() { Steps = [] };
    }

    private bool ReadTurnProperty(string word, string rest)
    {
        switch (word)
        {
            case "usage":
                var named = new Words(this, rest);
                draft = draft with
                {
                    Usage = new Usage(
                        named.Number("in") ?? Usage.Default.Input,
                        named.Number("out") ?? Usage.Default.Output,
                        named.Number("cache-read") ?? 0,
                        named.Number("cache-write") ?? 0)
                    {
                        CacheWrite1h = named.Number("cache-write-1h") ?? 0,
                    },
                };
                return true;
            case "stop":
                draft = draft with { StopReason = Required(rest, "a stop reason") };
                return true;
            case "model":
                draft = draft with { Model = Required(rest, "a model name") };
                return true;
            case "repeat":
                draft = draft with { Repeat = rest is "forever" ? null : (int)Size(rest) };
                return true;
            default:
                return false;
        }
    }

    private Step? ReadContent(string word, string rest) => word switch
    {
        "text" => new TextStep(Text(rest), Thinking: false),
        "thinking" => new TextStep(Text(rest), Thinking: true),
        "tool" => ReadTool(rest),
        "bash" => new ToolStep("Bash", $$"""{"command":{{Quote(Text(rest))}},"description":"Run a command"}"""),
        "flood" => ReadFlood(rest),
        "start" => new StartStep(),
        "raw" => new RawStep(Text(rest)),
        _ => null,
    };

    private Step? ReadFault(string word, string rest)
    {
        var words = new Words(this, rest);
        var times = (int?)words.Number("times");
        return word switch
        {
            "wait" => new WaitStep(Duration(words.Next("a duration, for example 500ms")), times),
            "hang" => new HangStep(times),
            "cut" => new CutStep(times),
            "pings" => new PingStep(
                words.Next("a count or 'forever'") is var count && count is "forever" ? null : (int)Size(count),
                Duration(words.Named("every") ?? "1s")),
            "error" => ReadError(words, times),
            "body" => new BodyStep(
                (int)Size(words.Next("a status")), words.Next("a content type"), Unescape(words.Rest()), times),
            _ => null,
        };
    }

    private ErrorStep ReadError(Words words, int? times)
    {
        var status = (int)Size(words.Next("a status, for example 529"));
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (given, header) in new[] { ("retry-after", "retry-after"), ("should-retry", "x-should-retry") })
        {
            if (words.Named(given) is { } value)
            {
                headers[header] = value;
            }
        }

        while (words.Named("header") is { } line)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            headers[colon < 0 ? throw Expected("header=NAME:VALUE") : line[..colon]] = line[(colon + 1)..];
        }

        var type = words.Named("type") ?? DefaultType(status);
        var message = words.Rest();
        message = message.Length == 0 ? $"scripted {type}" : Unescape(message);
        return new ErrorStep(status, type, message, times) { Headers = headers };
    }

    private ToolStep ReadTool(string rest)
    {
        var split = rest.IndexOf(' ', StringComparison.Ordinal);
        var name = Required(split < 0 ? rest : rest[..split], "the name of a tool");
        var input = split < 0 ? "{}" : rest[(split + 1)..].Trim();
        if (input.LastIndexOf("<<", StringComparison.Ordinal) is var mark and >= 0 && input.EndsWith('}'))
        {
            return new ToolStep(name, $"{input[..mark]}{Quote(Text(input[mark..^1]))}}}");
        }

        var json = new StringBuilder(input);
        var first = next;
        while (!IsWhole(json.ToString()))
        {
            if (next >= lines.Length || string.Equals(lines[next].Trim(), "---", StringComparison.Ordinal))
            {
                next = first;
                throw Expected($"the input of tool {name} as one JSON object");
            }

            json.Append('\n').Append(lines[next++]);
        }

        return new ToolStep(name, json.ToString());
    }

    private FloodStep ReadFlood(string rest)
    {
        var words = new Words(this, rest);
        var bytes = Size(words.Next("a size, for example 2M"));
        return new FloodStep(bytes, words.Rest() is { Length: > 0 } width ? (int)Size(width) : 0);
    }

    private string Text(string rest)
    {
        if (!rest.StartsWith("<<", StringComparison.Ordinal))
        {
            return Unescape(rest);
        }

        var mark = Required(rest[2..].Trim(), "a word after <<");
        var begin = next;
        while (next < lines.Length)
        {
            if (string.Equals(lines[next++].Trim(), mark, StringComparison.Ordinal))
            {
                return string.Join('\n', lines[begin..(next - 1)]);
            }
        }

        next = begin;
        throw Expected($"a line {mark} that ends the text");
    }

    private string Required(string value, string what) => value.Length > 0 ? value : throw Expected(what);

    private long Size(string text)
    {
        var shift = text.Length == 0 ? 0 : text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        var digits = shift == 0 ? text : text[..^1];
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number << shift
            : throw Expected($"a number such as 5, 64K or 2M, but found '{text}'");
    }

    private TimeSpan Duration(string text)
    {
        var digits = text.TrimEnd('m', 's');
        if (double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
        {
            switch (text[digits.Length..])
            {
                case "ms": return TimeSpan.FromMilliseconds(number);
                case "s": return TimeSpan.FromSeconds(number);
                case "m": return TimeSpan.FromMinutes(number);
            }
        }

        throw Expected($"a duration such as 500ms, 2s or 1m, but found '{text}'");
    }

    private ScriptException Expected(string what) => new(next, $"expected {what}");

    private static bool IsWhole(string json)
    {
        try
        {
            // Variables stand for text inside strings, so the JSON is whole with them in place.
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string DefaultType(int status) => status switch
    {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };

    private static string Quote(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    private static string Unescape(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var escaped = text[i] == '\\' && i + 1 < text.Length ? text[++i] : '\0';
            result.Append(escaped switch
            {
                '\0' => text[i..(i + 1)],
                'n' => "\n",
                't' => "\t",
                '\\' => "\\",
                _ => $"\\{escaped}",
            });
        }

        return result.ToString();
    }

    /// <summary>The words of a line: <c>name=value</c> anywhere, the others in order.</summary>
    private sealed class Words(ScriptParser parser, string rest)
    {
        private readonly List<string> words = [.. rest.Split(' ', StringSplitOptions.RemoveEmptyEntries)];

        public string Next(string what)
        {
            var word = words.Count > 0 ? words[0] : throw parser.Expected(what);
            words.RemoveAt(0);
            return word;
        }

        public string? Named(string name)
        {
            var at = words.FindIndex(word => word.StartsWith(name + "=", StringComparison.Ordinal));
            if (at < 0)
            {
                return null;
            }

            var value = words[at][(name.Length + 1)..];
            words.RemoveAt(at);
            return value;
        }

        public long? Number(string name) => Named(name) is { } value ? parser.Size(value) : null;

        public string Rest() => string.Join(' ', words);
    }
}
