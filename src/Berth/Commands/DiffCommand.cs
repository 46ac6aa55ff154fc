using System.CommandLine;
using System.Text;
using System.Text.Json;
using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth diff</c>: what a run changed.</summary>
internal static class DiffCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var stat = BerthCommand.Flag("--stat", "Only which files, and how many lines.");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag("Print commits, files and diff as one JSON object.");
        var command = new BerthCommand(
            "diff",
            "Shows what a run changed, as git does.",
            "berth diff 7k3m9xq2",
            "berth diff 7k3m9xq2 --stat",
            "berth diff 7k3m9xq2 | git apply --check")
        {
            run,
            stat,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var view = await runs.ResolveAsync(parsed.GetRequiredValue(run), cancel);
            var order = new DiffOrder(parsed.GetValue(stat) ? DiffForm.Stat : DiffForm.Patch);
            if (parsed.GetValue(json))
            {
                using var diff = new MemoryStream();
                await runs.WriteDiffAsync(view.Id, order, diff, cancel);
                var document = DiffDocument.Of(view, Encoding.UTF8.GetString(diff.GetBuffer(), 0, (int)diff.Length));
                surroundings.Print(JsonSerializer.Serialize(document, CommandJson.Readable.DiffDocument));
                return ExitCodes.Succeeded;
            }

            if (view.HeadCommit is null)
            {
                surroundings.Screen(onError: true).Write(Line.Of(Nothing(view), Tone.Faint));
            }
            else if (surroundings.Streams.OutputIsTerminal)
            {
                await ShowAsync(runs, view, order, surroundings.Screen(), cancel);
            }
            else
            {
                await runs.WriteDiffAsync(view.Id, order, surroundings.Streams.RawOutput, cancel);
            }

            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static string Nothing(RunView run) => run.State.IsFinal()
        ? "The run changed nothing that could be shown."
        : $"The run is {RunWords.Name(run.State)}; what it changes is known when it has ended.";

    /// <summary>
    /// Shows a diff to people. A file's content may hold escape sequences: a pipe gets them as they are, a screen
    /// does not.
    /// </summary>
    public static async Task ShowAsync(
        IRunService runs, RunView run, DiffOrder order, IScreen screen, CancellationToken cancel)
    {
        using var diff = new MemoryStream();
        await runs.WriteDiffAsync(run.Id, order, diff, cancel);
        diff.Position = 0;
        using var reader = new StreamReader(diff, Encoding.UTF8);
        while (await reader.ReadLineAsync(cancel) is { } row)
        {
            screen.Write(Line.Of(row, order.Form == DiffForm.Stat ? Tone.Plain : ToneOf(row)));
        }
    }

    private static Tone ToneOf(string row) => row switch
    {
        ['+', '+', '+', ..] or ['-', '-', '-', ..] or ['d', 'i', 'f', 'f', ..] => Tone.Strong,
        ['+', ..] => Tone.Good,
        ['-', ..] => Tone.Bad,
        ['@', '@', ..] => Tone.Faint,
        _ => Tone.Plain,
    };
}

/// <summary>What <c>berth diff --json</c> prints.</summary>
internal sealed record DiffDocument(
    string Id,
    string? Branch,
    string? BaseCommit,
    string? HeadCommit,
    IReadOnlyList<ChangedFile> FilesChanged,
    string Diff)
{
    /// <summary>Makes it of a run and its diff.</summary>
    public static DiffDocument Of(RunView run, string diff) =>
        new(run.Id, run.Branch, run.BaseCommit, run.HeadCommit, run.FilesChanged, diff);
}
