using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth run</c>: starts a run and stays with it to its end.</summary>
internal static class RunCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var options = new RunOptions();
        var command = new BerthCommand(
            "run",
            "Runs a workflow on a repository and leaves a branch with the work.",
            "berth run fix \"the login test fails since yesterday\"",
            "berth run implement --repo https://git.example.com/shop.git --ref v2 --max-budget-usd 5 < task.md",
            "berth run review --detach \"the last three commits\"",
            "berth run test --json --timeout 30m -- \"--watch is broken\"");
        options.AddTo(command);
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(
            surroundings, options.IsJson(parsed), () => RunAsync(surroundings, options, parsed, cancel)));
        return command;
    }

    private static async Task<int> RunAsync(
        Surroundings surroundings, RunOptions options, ParseResult parsed, CancellationToken cancel)
    {
        // Bad settings are said before a prompt is waited for.
        _ = Settings.Bind(surroundings);
        var request = await options.ReadAsync(parsed, surroundings, cancel);
        using var runs = Opened.Runs(surroundings, options.ServerOf(parsed));
        var run = request.Continue is { } earlier
            ? await runs.SuggestingAsync(earlier, () => runs.SubmitAsync(request, cancel), cancel)
            : await runs.SubmitAsync(request, cancel);
        var isJson = options.IsJson(parsed);
        if (options.IsDetached(parsed))
        {
            surroundings.Print(isJson ? Json(run) : run.Id);
            return ExitCodes.Succeeded;
        }


        // Standard output is for the result: the outcome, or with --json the run.
        var progress = surroundings.Screen(onError: true);
        var ended = await StayAsync(surroundings, runs, run, options.IsQuiet(parsed) ? new SilentScreen() : progress);
        if (ended.SentAwayBy is { } signal)
        {
            return ExitCodes.SentAway + signal;
        }

        if (isJson)
        {
            surroundings.Print(Json(ended.Run));
        }

        if (!isJson || !options.IsQuiet(parsed))
        {
            Show(ended.Run, surroundings.Screen(onError: isJson), surroundings);
        }

        return ExitCodes.Of(ended.Run);
    }

    /// <summary>Shows a run until it has ended, or until the command is sent away.</summary>
    public static Task<AttachmentEnd> StayAsync(
        Surroundings surroundings, IRunService runs, RunView run, IScreen screen) =>
        new Attachment(runs, run, screen, surroundings).FollowAsync();

    /// <summary>Shows how a run ended.</summary>
    public static void Show(RunView run, IScreen screen, Surroundings surroundings)
    {
        screen.Write(Line.Empty);
        foreach (var line in RunSummary.Of(run, surroundings.CurrentDirectory))
        {
            screen.Write(line);
        }
    }

    private static string Json(RunView run) => JsonSerializer.Serialize(run, RunJson.Readable.RunView);
}
