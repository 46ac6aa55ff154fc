using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Workflows;

/// <summary>
/// Checks the shape of <c>.mcp.json</c>, for the CLI drops a server it cannot start without failing the run.
/// </summary>
/// <remarks>Fields that are not known here are left alone: they are the CLI's, and a later one may know more.</remarks>
internal static class McpConfig
{
    /// <summary>The most servers.</summary>
    public const int MostServers = 64;

    /// <summary>The text, once it is found good.</summary>
    /// <exception cref="FailureException"><c>workflow_invalid</c>, with the line.</exception>
    public static string Read(WorkflowText text)
    {
        const string Expected = "an object with \"mcpServers\", an object with one member for each server";
        var root = LocatedJson.Parse(text);
        var servers = root.MembersOr(Expected).FirstOrDefault(member => Is(member, "mcpServers"))
            ?? throw root.Refuse(Expected);
        var members = servers.Value.MembersOr(Expected);
        if (members.Count > MostServers)
        {
            throw text.Refuse(servers.Index, "expected at most 64 servers, found more");
        }

        foreach (var server in members)
        {
            Check(text, server);
        }

        return text.Content;
    }

    private static void Check(WorkflowText text, LocatedMember server)
    {
        if (!IsServerName(server.Name))
        {
            throw text.Refuse(
                server.Index,
                $"expected a server's name of 1 to 64 letters, digits, _ or -, found \"{server.Name}\"");
        }

        var fields = server.Value.MembersOr("an object that describes a server");
        var type = fields.FirstOrDefault(field => Is(field, "type"))?.Value;
        switch (type is null ? "stdio" : type.Text)
        {
            case "stdio":
                _ = Required(server, fields, "command").StringOr("the program to start");
                break;
            case "http" or "sse" or "ws":
                var url = Required(server, fields, "url");
                _ = url.StringOr("the server's URL");
                break;
            default:
                throw type!.Refuse("\"stdio\", \"http\", \"sse\" or \"ws\"");
        }

        foreach (var field in fields)
        {
            CheckField(field);
        }
    }

    private static void CheckField(LocatedMember field)
    {
        switch (field.Name)
        {
            case "args":
                foreach (var word in field.Value.ItemsOr("an array of strings"))
                {
                    RequireString(word);
                }

                break;
            case "env" or "headers":
                foreach (var member in field.Value.MembersOr("an object of strings"))
                {
                    RequireString(member.Value);
                }

                break;
            default:
                break;
        }
    }

    private static LocatedJson Required(LocatedMember server, IReadOnlyList<LocatedMember> fields, string name) =>
        fields.FirstOrDefault(field => Is(field, name))?.Value
        ?? throw server.Value.Source.Refuse(
            server.Index,
            $"expected the server \"{server.Name}\" to have \"{name}\", found none");

    private static void RequireString(LocatedJson value)
    {
        if (value.Kind != JsonTokenType.String)
        {
            throw value.Refuse("a string");
        }
    }

    private static bool Is(LocatedMember member, string name) =>
        string.Equals(member.Name, name, StringComparison.Ordinal);

    private static bool IsServerName(string name) =>
        name.Length is >= 1 and <= 64 && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-');
}
