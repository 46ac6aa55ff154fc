using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Berth.ScriptedModel;

/// <summary>What a request to <c>/v1/messages</c> says that the model goes by.</summary>
/// <remarks>
/// Nothing is remembered between requests: the script stands in the last user text that has one, and the turn is the
/// number of answers since. So a restarted CLI, a resumed session and a restarted model all go on at the right turn.
/// </remarks>
internal sealed class Conversation
{
    private const string Fence = "```script\n";
    private const string WorkingDirectory = "Primary working directory: ";

    private Conversation()
    {
    }

    /// <summary>The text of the script in the conversation, or null.</summary>
    public string? ScriptText { get; private set; }

    /// <summary>How many answers there are since the script, or in all where there is none.</summary>
    public int Answers { get; private set; }

    /// <summary>How many messages there are.</summary>
    public int Messages { get; private set; }

    /// <summary>The model that is asked for.</summary>
    public string Model { get; private set; } = "unknown";

    /// <summary>Whether the answer is to come as server-sent events.</summary>
    public bool Stream { get; private set; }

    /// <summary>Whether it offers tools. Questions beside the conversation, say for a title, offer none.</summary>
    public bool HasTools => Tools.Count > 0;

    /// <summary>The names of the tools that it offers.</summary>
    public IReadOnlyList<string> Tools { get; private set; } = [];

    /// <summary>Whether the CLI asks for a summary of the conversation, to go on with that in its place.</summary>
    public bool AsksForSummary { get; private set; }

    /// <summary>The last text that the user wrote, without the CLI's own reminders.</summary>
    public string LastPrompt { get; private set; } = "";

    /// <summary>The text of the last tool result.</summary>
    public string LastToolResult { get; private set; } = "";

    /// <summary>The working directory that the CLI names, or <c>.</c>.</summary>
    public string Directory { get; private set; } = ".";

    /// <summary>The last prompt's SHA-256, for tests that ask whether it came through unchanged.</summary>
    public string PromptSha256 => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(LastPrompt)));

    /// <summary>The last prompt's length in UTF-8 bytes.</summary>
    public long PromptBytes => Encoding.UTF8.GetByteCount(LastPrompt);

    /// <summary>Reads a request body.</summary>
    /// <exception cref="JsonException">It is not JSON, or not of the shape of the API.</exception>
    public static Conversation Read(JsonElement request)
    {
        if (request.ValueKind != JsonValueKind.Object
            || !request.TryGetProperty("messages", out var messages) || messages.ValueKind != JsonValueKind.Array)
        {
            throw new JsonException("messages: Field required");
        }

        var conversation = new Conversation
        {
            Model = Text(request, "model") ?? "unknown",
            Stream = request.TryGetProperty("stream", out var stream) && stream.ValueKind == JsonValueKind.True,
            Tools = request.TryGetProperty("tools", out var tools) && tools.ValueKind == JsonValueKind.Array
                ? [.. tools.EnumerateArray().Select(tool => Text(tool, "name") ?? "?")]
                : [],
            Messages = messages.GetArrayLength(),
        };
        foreach (var message in messages.EnumerateArray())
        {
            conversation.Take(message);
        }

        if (request.TryGetProperty("system", out var system))
        {
            foreach (var text in Texts(system))
            {
                conversation.FindDirectory(text);
            }
        }

        return conversation;
    }

    /// <summary>Replaces the variables of a script's text.</summary>
    public string Fill(string text, int turn, bool asJson)
    {
        if (!text.Contains("{{", StringComparison.Ordinal))
        {
            return text;
        }

        string Value(string value) => asJson ? JsonEncodedText.Encode(value).ToString() : value;
        return text
            .Replace("{{cwd}}", Value(Directory), StringComparison.Ordinal)
            .Replace("{{turn}}", (turn + 1).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("{{model}}", Value(Model), StringComparison.Ordinal)
            .Replace("{{last}}", Value(LastToolResult), StringComparison.Ordinal);
    }

    private void Take(JsonElement message)
    {
        var role = Text(message, "role");
        if (role is "assistant")
        {
            Answers++;
            AsksForSummary = false;
            return;
        }

        if (!message.TryGetProperty("content", out var content))
        {
            return;
        }

        foreach (var text in Texts(content))
        {
            FindDirectory(text);
            if (role is "user" && !text.StartsWith("<system-reminder>", StringComparison.Ordinal))
            {
                TakePrompt(text);
            }
        }

        if (content.ValueKind == JsonValueKind.Array)
        {
            foreach (var block in content.EnumerateArray().Where(block => Text(block, "type") is "tool_result"))
            {
                var texts = block.TryGetProperty("content", out var result) ? Texts(result) : [];
                LastToolResult = string.Join('\n', texts);
            }
        }
    }

    private void TakePrompt(string text)
    {
        LastPrompt = text;
        AsksForSummary = text.Contains("create a detailed summary", StringComparison.Ordinal);
        var begin = text.LastIndexOf(Fence, StringComparison.Ordinal);
        if (begin < 0 || (begin > 0 && text[begin - 1] != '\n'))
        {
            return;
        }

        begin += Fence.Length;
        var end = text.IndexOf("\n```", begin, StringComparison.Ordinal);
        ScriptText = end < 0 ? text[begin..] : text[begin..end];
        Answers = 0;
    }

    private void FindDirectory(string text)
    {
        var begin = text.IndexOf(WorkingDirectory, StringComparison.Ordinal);
        if (begin < 0)
        {
            return;
        }

        begin += WorkingDirectory.Length;
        var end = text.IndexOf('\n', begin);
        Directory = (end < 0 ? text[begin..] : text[begin..end]).Trim();
    }

    private static IEnumerable<string> Texts(JsonElement content) => content.ValueKind switch
    {
        JsonValueKind.String => [content.GetString()!],
        JsonValueKind.Array => content.EnumerateArray()
            .Where(block => Text(block, "type") is "text").Select(block => Text(block, "text") ?? ""),
        _ => [],
    };

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
        && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
