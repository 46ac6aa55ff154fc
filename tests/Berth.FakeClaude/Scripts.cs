using System.Text.Json;

namespace Berth.FakeClaude;

/// <summary>Where the verbs come from.</summary>
internal static class Scripts
{
    /// <summary>Each <c>--fake VERB</c>; the real CLI's own flags are passed over.</summary>
    internal static IEnumerable<string> FromArguments(string[] args)
    {
        for (var i = 0; i + 1 < args.Length; i++)
        {
            if (string.Equals(args[i], "--fake", StringComparison.Ordinal))
            {
                yield return args[++i];
            }
        }
    }

    /// <summary>Each line of the prompt that begins with <c>!</c>.</summary>
    internal static IEnumerable<string> FromPrompt(string prompt) =>
        prompt.Split('\n').Select(line => line.TrimEnd('\r'))
            .Where(line => line.StartsWith('!')).Select(line => line[1..]);

    /// <summary>The text of a stream-json user message, or null where the line is something else.</summary>
    internal static string? TextOf(JsonElement message)
    {
        if (message.TryGetProperty("type", out var type) && type.ValueEquals("user"))
        {
            var content = message.GetProperty("message").GetProperty("content");
            return content.ValueKind == JsonValueKind.String
                ? content.GetString()
                : string.Concat(content.EnumerateArray().Select(block => block.GetProperty("text").GetString()));
        }

        return null;
    }
}
