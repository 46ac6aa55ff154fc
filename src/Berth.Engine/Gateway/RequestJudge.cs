using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>Reads a request to its last byte and decides whether it may be forwarded.</summary>
/// <remarks>
/// The agent is hostile code. What counts is what the upstream makes of the bytes, so only JSON that has one meaning is
/// let through: UTF-8 without a byte order mark, no member twice, bounded depth. Then the allow-lists of
/// <see cref="RequestRules"/> hold, at each depth, in any order of members.
/// </remarks>
internal sealed class RequestJudge
{
    // A tool's schema is some 30 deep; what the service reads itself is some 10.
    private const int MaxDepth = 128;

    // Names of members that are remembered at once, to find the same one again. A request of the CLI has some hundred
    // bytes of them.
    private const int MostNameBytes = 1024 * 1024;
    private const int LongestShown = 60;

    private readonly GatewayPolicy policy;
    private int nameBytes;
    private JudgedRequest judged = new();

    private RequestJudge(GatewayPolicy policy) => this.policy = policy;

    /// <summary>Judges the body of a request.</summary>
    public static JudgedRequest Judge(ReadOnlySpan<byte> body, GatewayPolicy policy)
    {
        var judge = new RequestJudge(policy);
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = MaxDepth });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                throw Invalid("it is no JSON object");
            }

            judge.ReadObject(ref reader, Zone.Top);

            // Anything behind it makes the reader throw.
            _ = reader.Read();
            return judge.judged;
        }
        catch (RefusedException refused)
        {
            return judge.judged with { Refusal = refused.Refusal };
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return judge.judged with { Refusal = Invalid("it is no valid JSON in UTF-8").Refusal };
        }
    }

    private void ReadObject(ref Utf8JsonReader reader, Zone zone)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var before = nameBytes;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            nameBytes += reader.ValueSpan.Length;
            if (nameBytes > MostNameBytes)
            {
                throw Invalid("it has too many members");
            }

            // Decoded: an escaped name is the same name.
            var name = reader.GetString()!;
            if (!names.Add(name))
            {
                throw Invalid($"its member {Shown(name)} is there twice");
            }

            _ = reader.Read();
            ReadValue(ref reader, ZoneOf(ref reader, zone, name));
        }

        nameBytes = before;
    }

    private void ReadValue(ref Utf8JsonReader reader, Zone zone)
    {
        if (reader.TokenType == JsonTokenType.StartObject)
        {
            ReadObject(ref reader, zone);
            return;
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            return;
        }

        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            ReadValue(ref reader, zone);
        }
    }

    // Judges one member, and says how what is in it is judged.
    private Zone ZoneOf(ref Utf8JsonReader reader, Zone zone, string name)
    {
        if (zone == Zone.Free)
        {
            return Zone.Free;
        }

        if (reader.TokenType != JsonTokenType.Null)
        {
            RefuseByName(zone, name);
        }

        if (zone == Zone.Top)
        {
            return ZoneOfField(ref reader, name);
        }

        if (name is "type")
        {
            JudgeType(ref reader, zone);
            return zone;
        }

        return zone switch
        {
            Zone.Content or Zone.Tool when RequestRules.FreeMembers.Contains(name) => Zone.Free,
            Zone.Content when name is "source" && reader.TokenType != JsonTokenType.String => Zone.Source,
            Zone.Content when name is "definition" or "tools" => Zone.Tool,
            Zone.Source when name is "content" => Zone.Content,
            Zone.Source when name is "url" && !policy.MayFetch => throw Fetch("a picture or document by its URL"),
            Zone.Tool => Zone.ToolPart,
            _ => zone,
        };
    }

    private void RefuseByName(Zone zone, string name)
    {
        if (RequestRules.Stored.Contains(name))
        {
            throw new RefusedException(new RequestRefusal(
                StatusCodes.Status403Forbidden,
                RequestRefusal.Fetch,
                $"The request has {name}, which can reach what is stored at the model's service: no run may."));
        }

        if (!policy.MayFetch && RequestRules.Connecting.Contains(name))
        {
            throw Fetch(name);
        }

        if (!policy.MayFetch && zone == Zone.Options && name is "tools" or "url")
        {
            throw Fetch(name);
        }
    }

    private Zone ZoneOfField(ref Utf8JsonReader reader, string name)
    {
        judged = name switch
        {
            "model" when reader.TokenType == JsonTokenType.String => judged with { Model = reader.GetString() },
            "max_tokens" when reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var most)
                => judged with { MaxTokens = most },
            "model" or "max_tokens" => throw Invalid($"its {name} is not of the right type"),
            "speed" => judged with { IsFast = true },
            "fallbacks" => judged with { HasFallbacks = true },
            _ => judged,
        };
        if (RequestRules.Fields.TryGetValue(name, out var zone))
        {
            return zone;
        }

        if (policy.MayFetch)
        {
            judged = judged with { MayReadMore = true };
            return Zone.Options;
        }

        // The API's own words: the CLI knows them, and leaves some fields out when it is asked again.
        throw new RefusedException(new RequestRefusal(
            StatusCodes.Status400BadRequest,
            RequestRefusal.Field,
            $"{Shown(name)}: Extra inputs are not permitted (Berth does not know this field)."));
    }

    private void JudgeType(ref Utf8JsonReader reader, Zone zone)
    {
        if (reader.TokenType == JsonTokenType.Null && zone == Zone.Tool)
        {
            return;
        }

        var type = reader.TokenType == JsonTokenType.String
            ? reader.GetString()!
            : throw Invalid("a type in it is no text");
        switch (zone)
        {
            case Zone.Tool:
                JudgeTool(type);
                break;
            case Zone.Source when type is "file":
            case Zone.Content when type is "container_upload" or "file":
                throw Fetch($"the file of a {type}");
            case Zone.Source when !policy.MayFetch && !RequestRules.SourceTypes.Contains(type):
                throw Fetch($"a picture or document by {Shown(type)}");
            case Zone.Content when !policy.MayFetch && !RequestRules.ContentTypes.Contains(type):
                throw Fetch($"content of the type {Shown(type)}");
            case Zone.ToolPart or Zone.Options when !policy.MayFetch && type is "url" or "file":
                throw Fetch($"something of the type {type}");
        }
    }

    private void JudgeTool(string type)
    {
        if (type is "custom" || RequestRules.ClientTools.Any(tool => GatewayPolicy.IsVersionOf(type, tool)))
        {
            return;
        }

        if (!policy.Permits(type))
        {
            throw Fetch($"the server tool {Shown(type)}");
        }

        judged = judged with { MayReadMore = true };
    }

    private static RefusedException Fetch(string what) => new(new RequestRefusal(
        StatusCodes.Status403Forbidden,
        RequestRefusal.Fetch,
        $"The request has {what}, by which the model's service may reach what this run may not."));

    private static RefusedException Invalid(string why) => new(new RequestRefusal(
        StatusCodes.Status400BadRequest, RequestRefusal.Invalid, $"The request is refused: {why}."));

    /// <summary>A text of the agent's as a message can show it.</summary>
    internal static string Shown(string text)
    {
        var start = text.Length > LongestShown ? text[..LongestShown] + "..." : text;
        return string.Concat(start.Select(letter => letter is >= ' ' and < (char)127 ? letter : '?'));
    }

    /// <summary>Ends the reading.</summary>
    private sealed class RefusedException(RequestRefusal refusal) : Exception(refusal.Message)
    {
        public RequestRefusal Refusal { get; } = refusal;
    }
}
