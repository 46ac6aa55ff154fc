using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;
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
        var noPager = BerthCommand.Flag("--no-pager", "Show all of it at once, also on a terminal.");
        var color = new Option<string>("--color")
        {
            Description = "Whether it has colours. auto: on a terminal, unless NO_COLOR is set.",
            HelpName = "auto|always|never",
            DefaultValueFactory = _ => "auto",
        };
        color.AcceptOnlyFromAmong("auto", "always", "never");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag("Print commits, files and diff as one JSON object.");
        var command = new BerthCommand(
            "diff",
            "Shows what a run changed, as git does: on a terminal through a pager (GIT_PAGER, core.pager, PAGER or "
                + "less) and with control characters shown as ^X, to a pipe or a file byte for byte.",
            "berth diff 7k3m9xq2",
            "berth diff 7k3m9xq2 --stat",
            "berth diff 7k3m9xq2 | git apply --check")
        {
            run,
            stat,
            color,
            noPager,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var view = await runs.FindAsync(parsed.GetRequiredValue(run), cancel);
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
                return ExitCodes.Succeeded;
            }

            var showing = new Showing(surroundings, parsed.GetValue(color)!, parsed.GetValue(noPager));
            await showing.ShowAsync(runs, view.Id, order, cancel);
            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static string Nothing(RunView run) => run.State.IsFinal()
        ? "The run changed nothing that could be shown."
        : $"The run is {RunWords.Name(run.State)}; what it changes is known when it has ended.";

    /// <summary>How a diff is shown.</summary>
    /// <param name="Surroundings">Where the command is typed.</param>
    /// <param name="Color">auto, always or never.</param>
    /// <param name="NoPager">Whether no pager is wanted.</param>
    private sealed record Showing(Surroundings Surroundings, string Color, bool NoPager)
    {
        private bool HasColour => Color switch
        {
            "always" => true,
            "never" => false,
            _ => Surroundings.Streams.OutputIsTerminal && Surroundings.WelcomesColour,
        };

        public async Task ShowAsync(IRunService runs, string id, DiffOrder order, CancellationToken cancel)
        {
            var isTerminal = Surroundings.Streams.OutputIsTerminal;
            var isPatch = order.Form != DiffForm.Stat;

            // Colours are for somebody who looks at it in the end, behind whatever pipe.
            using var pager = isTerminal ? await PagerAsync(cancel) : null;
            var output = new WatchedOutput(pager?.Input ?? Surroundings.Streams.RawOutput);
            await using var display = isTerminal || HasColour
                ? new DiffDisplay(output, HasColour && isPatch ? new DiffColours() : null)
                : null;
            var writing = new Writing(
                token => runs.WriteDiffAsync(id, order, (Stream?)display ?? output, token), output);
            await (pager is null ? writing.RunAsync(display, cancel) : writing.PageAsync(display!, pager));
            if (isPatch && display is { Changed: > 0 and var changed })
            {
                Surroundings.Screen(onError: true).Write(Line.Of(
                    $"Shown as text: {Amounts.Of(changed, "control character")}. "
                        + $"What is on the screen is no patch then; berth diff {RunId.Short(id)} > FILE has the bytes.",
                    Tone.Warning));
            }
        }

        private async Task<PagerProcess?> PagerAsync(CancellationToken cancel)
        {
            if (NoPager)
            {
                return null;
            }

            var environment = Surroundings.Environment;
            var git = new UserGitSettings(
                Settings.Bind(Surroundings).Git with { Environment = environment },
                new ProcessRunner(Surroundings.Time));
            var configured = environment.ContainsKey("GIT_PAGER") ? null : await git.ReadAsync("core.pager", cancel);
            var (choice, note) = PagerChoice.Of(environment, configured);
            if (note is not null)
            {
                Surroundings.Screen(onError: true).Write(Line.Of(note, Tone.Warning));
            }

            return choice is null ? null : PagerProcess.Start(choice.Program, choice.Arguments, choice.Environment);
        }
    }

    /// <summary>The writing of a diff.</summary>
    /// <param name="Write">Writes it.</param>
    /// <param name="Output">Where it goes in the end.</param>
    private sealed record Writing(Func<CancellationToken, Task> Write, WatchedOutput Output)
    {
        public async Task RunAsync(DiffDisplay? display, CancellationToken cancel)
        {
            try
            {
                await Write(cancel);
                display?.Complete();
            }
            catch (FailureException) when (Output.HasLostReader)
            {
                // Git was ended because nobody reads any more, and that is no failure of git's.
            }

            if (Output.HasLostReader)
            {
                throw new IOException("The reader has gone.") { HResult = CommandBoundary.Epipe };
            }
        }

        public async Task PageAsync(DiffDisplay display, PagerProcess pager)
        {
            // Ctrl-C is for the pager: it ends a search there, and the diff goes on.
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
            try
            {
                await RunAsync(display, CancellationToken.None);
            }
            catch (IOException) when (Output.HasLostReader)
            {
                // Who quits the pager has seen enough.
            }
            finally
            {
                await pager.EndAsync();
            }
        }
    }

    /// <summary>Shows a diff among other lines, wrapped and coloured as they are: for the demo.</summary>
    public static async Task ShowAsync(
        IRunService runs, RunView run, DiffOrder order, IScreen screen, CancellationToken cancel)
    {
        using var diff = new MemoryStream();
        await runs.WriteDiffAsync(run.Id, order, diff, cancel);
        diff.Position = 0;
        using var reader = new StreamReader(diff, Encoding.UTF8);
        while (await reader.ReadLineAsync(cancel) is { } row)
        {
            screen.Write(Line.Of(row, ToneOf(row)));
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
