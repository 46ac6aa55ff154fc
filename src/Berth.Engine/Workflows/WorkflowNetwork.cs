using System.Text.Json;
using Berth.Engine.Network;

namespace Berth.Engine.Workflows;

/// <summary>Reads the <c>network</c> of a <c>workflow.json</c>.</summary>
internal static class WorkflowNetwork
{
    private const string Expected =
        "\"none\", \"open\" or an object such as {\"mode\": \"allowlist\", \"hosts\": [\"registry.npmjs.org\"]}";

    private const string HostsExpected = "an array of 1 to 200 hosts, which go with \"mode\": \"allowlist\" only";

    private static readonly string[] ModelTools = ["web_search", "web_fetch", "code_execution"];

    private static readonly string ModelToolsExpected = $"an array of \"{string.Join("\", \"", ModelTools)}\"";

    /// <summary>Reads the <c>modelTools</c>.</summary>
    public static IReadOnlyList<string> ReadModelTools(LocatedJson value) =>
    [
        .. value.ItemsOr(ModelToolsExpected)
            .Select(item => item.Kind == JsonTokenType.String && ModelTools.Contains(item.Text, StringComparer.Ordinal)
                ? item.Text
                : throw item.Refuse($"one of \"{string.Join("\", \"", ModelTools)}\""))
            .Distinct(StringComparer.Ordinal),
    ];

    /// <summary>Reads a word, or an object of <c>mode</c> and <c>hosts</c>.</summary>
    public static NetworkPolicy Read(LocatedJson value)
    {
        if (value.Kind == JsonTokenType.String)
        {
            return NetworkPolicy.Read(value.Text) is { } word and not NetworkMode.Allowlist
                ? NetworkPolicy.Of(word)
                : throw value.Refuse(Expected);
        }

        LocatedJson? mode = null;
        LocatedJson? hosts = null;
        foreach (var member in value.MembersOr(Expected))
        {
            switch (member.Name)
            {
                case "mode":
                    mode = member.Value;
                    break;
                case "hosts":
                    hosts = member.Value;
                    break;
                default:
                    throw value.Source.Refuse(
                        member.Index, $"expected one of mode, hosts, found \"{member.Name}\"");
            }
        }

        return Read(value, mode, hosts);
    }

    private static NetworkPolicy Read(LocatedJson whole, LocatedJson? mode, LocatedJson? hosts)
    {
        var read = mode is null
            ? NetworkMode.Allowlist
            : NetworkPolicy.Read(mode.Text) ?? throw mode.Refuse("one of \"none\", \"allowlist\", \"open\"");
        if (hosts is null)
        {
            return read == NetworkMode.Allowlist ? throw whole.Refuse("hosts") : NetworkPolicy.Of(read);
        }

        var items = hosts.ItemsOr(HostsExpected);
        return read == NetworkMode.Allowlist && items.Count is > 0 and <= NetworkPolicy.MostHosts
            ? new NetworkPolicy(read, [.. items.Select(Host)])
            : throw hosts.Refuse(HostsExpected);
    }

    private static string Host(LocatedJson value) =>
        HostPattern.Parse(value.StringOr(HostPattern.Expected))?.ToString() ?? throw value.Refuse(HostPattern.Expected);
}
