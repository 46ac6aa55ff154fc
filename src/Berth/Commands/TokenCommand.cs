using System.CommandLine;
using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth token</c>: who may ask this home's server, and for what.</summary>
internal static class TokenCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var command = new BerthCommand(
            "token",
            "Makes, lists and revokes the tokens of this home's server. It may be running.",
            "berth token create --name ci --role operator")
        {
            Making(surroundings),
            Listing(surroundings),
            Revoking(surroundings),
        };
        return command;
    }

    private static BerthCommand Making(Surroundings surroundings)
    {
        var name = new Option<string>("--name")
        {
            Description = "Who will use it: what was done with it is noted under this name.",
            HelpName = "NAME",
            Required = true,
        };
        var role = new Option<string>("--role")
        {
            Description =
                "What it may do. viewer: see. operator: start, stop and clean up runs too. admin: everything.",
            HelpName = "viewer|operator|admin",
            Required = true,
        };
        role.AcceptOnlyFromAmong("viewer", "operator", "admin");
        var json = BerthCommand.JsonFlag("Print name, role and token as JSON.");
        var command = new BerthCommand(
            "create", "Makes a token and shows it, this once.", "berth token create --name ci --role operator --json")
        {
            name,
            role,
            json,
        };
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), () =>
        {
            var made = EngineOf(surroundings).Tokens.Create(
                parsed.GetRequiredValue(name), Enum.Parse<Role>(parsed.GetRequiredValue(role), ignoreCase: true));
            surroundings.Print(parsed.GetValue(json)
                ? JsonSerializer.Serialize(made, CommandJson.Readable.NewToken)
                : made.Token);
            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }

    private static BerthCommand Listing(Surroundings surroundings)
    {
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand("list", "Lists the tokens that are good.", "berth token list") { json };
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), () =>
        {
            var tokens = EngineOf(surroundings).Tokens.List();
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(tokens, CommandJson.Readable.IReadOnlyListTokenListing));
                return Task.FromResult(ExitCodes.Succeeded);
            }

            var table = new Columns("NAME", "ROLE", "CREATED");
            var now = surroundings.Time.GetUtcNow();
            foreach (var token in tokens)
            {
                table.Add(
                    new Part(token.Name, Tone.Strong),
                    new Part(token.Role.ToString().ToLowerInvariant()),
                    new Part(Amounts.Age(now - token.CreatedAt)));
            }

            table.Show(surroundings.Screen());
            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }

    private static BerthCommand Revoking(Surroundings surroundings)
    {
        var name = new Argument<string>("NAME") { Description = "The token's name." };
        var command = new BerthCommand(
            "revoke", "Makes a token worthless, from the next request on.", "berth token revoke ci")
        {
            name,
        };
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, json: false, () =>
        {
            EngineOf(surroundings).Tokens.Revoke(parsed.GetRequiredValue(name));
            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }

    private static BerthEngine EngineOf(Surroundings surroundings) =>
        BerthEngine.Open(Settings.Bind(surroundings), surroundings.Time);
}
