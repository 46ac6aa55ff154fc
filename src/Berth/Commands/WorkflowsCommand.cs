using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Workflows;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth workflows</c>: the recipes that there are.</summary>
internal static class WorkflowsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "workflows",
            "Lists the workflows that can be run, and where they come from.",
            "berth workflows",
            "berth workflows --json | jq -r '.[].name'")
        {
            json,
            CreateShow(surroundings),
        };
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), () =>
        {
            var found = Opened.Engine(surroundings).Workflows.List();
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(found, CommandJson.Readable.IReadOnlyListWorkflowListing));
            }
            else
            {
                Show(found, surroundings.Screen());
            }

            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }

    private static BerthCommand CreateShow(Surroundings surroundings)
    {
        var name = new Argument<string>("NAME") { Description = "The workflow." };
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "show",
            "Shows one workflow: its settings, its tools and its prompt.",
            "berth workflows show implement")
        {
            name,
            json,
        };
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), () =>
        {
            var workflow = Opened.Engine(surroundings).Workflows.Load(parsed.GetRequiredValue(name));
            if (parsed.GetValue(json))
            {
                surroundings.Print(
                    JsonSerializer.Serialize(WorkflowDocument.Of(workflow), CommandJson.Readable.WorkflowDocument));
            }
            else
            {
                Show(workflow, surroundings.Screen());
            }

            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }

    private static void Show(IReadOnlyList<WorkflowListing> found, IScreen screen)
    {
        var table = new Columns("WORKFLOW", "FOLDER", "DESCRIPTION");
        foreach (var workflow in found)
        {
            table.Add(
                new Part(workflow.Name, workflow.Valid ? Tone.Strong : Tone.Bad),
                new Part(workflow.Folder),
                workflow.Problem is { } problem
                    ? new Part($"invalid: {problem.Message}", Tone.Bad)
                    : new Part(workflow.Description));
        }

        table.Show(screen);
        foreach (var workflow in found)
        {
            foreach (var shadowed in workflow.Shadows)
            {
                screen.Write(Line.Of($"{workflow.Folder} takes the place of {shadowed}", Tone.Warning));
            }
        }
    }

    private static void Show(Workflow workflow, IScreen screen)
    {
        var settings = workflow.Settings;
        (string Label, string? Value)[] facts =
        [
            ("workflow", workflow.Name),
            ("folder", workflow.Folder),
            ("about", workflow.Description),
            ("tools", workflow.AllowedTools.Count == 0 ? "none" : string.Join(", ", workflow.AllowedTools)),
            ("MCP servers", workflow.McpConfigJson is null ? null : "as .mcp.json says"),
            ("environment", workflow.Environment.Count == 0 ? null : string.Join(", ", workflow.Environment.Keys)),
            ("mode", settings.Mode),
            ("model", settings.Model),
            ("max turns", settings.MaxTurns?.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            ("max tokens", settings.MaxTokens is { } tokens ? Amounts.Count(tokens) : null),
            ("max budget", settings.MaxBudgetUsd is { } budget ? Amounts.Dollars(budget) : null),
            ("timeout", settings.Timeout is { } timeout ? Amounts.Time(timeout) : null),
            ("permissions", RunWords.Name(settings.PermissionMode)),
            ("shadows", workflow.Shadows.Count == 0 ? null : string.Join(", ", workflow.Shadows)),
        ];
        foreach (var (label, value) in facts.Where(fact => fact.Value is not null))
        {
            screen.Write(new Line(new Part(label.PadRight(13), Tone.Faint), new Part(value!)) { Indent = 13 });
        }

        screen.Write(Line.Empty);
        foreach (var row in SafeText.Rows(workflow.SystemPrompt))
        {
            screen.Write(Line.Of(row));
        }
    }
}

/// <summary>
/// What <c>berth workflows show --json</c> prints. The values of variables count as secrets and are left out.
/// </summary>
internal sealed record WorkflowDocument
{
    public required string Name { get; init; }

    public required string Folder { get; init; }

    public required string Description { get; init; }

    public required IReadOnlyList<string> AllowedTools { get; init; }

    public required bool HasMcpServers { get; init; }

    public required IReadOnlyList<string> EnvironmentNames { get; init; }

    public required WorkflowSettings Settings { get; init; }

    public required IReadOnlyList<string> Shadows { get; init; }

    public required string SystemPrompt { get; init; }

    /// <summary>Makes it of a workflow.</summary>
    public static WorkflowDocument Of(Workflow workflow) => new()
    {
        Name = workflow.Name,
        Folder = workflow.Folder,
        Description = workflow.Description,
        AllowedTools = workflow.AllowedTools,
        HasMcpServers = workflow.McpConfigJson is not null,
        EnvironmentNames = [.. workflow.Environment.Keys],
        Settings = workflow.Settings,
        Shadows = workflow.Shadows,
        SystemPrompt = workflow.SystemPrompt,
    };
}
