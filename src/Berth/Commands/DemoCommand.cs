using System.CommandLine;
using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>
/// <c>berth demo</c>: the main job with no key and no network: the real CLI, a real repository, a scripted model.
/// </summary>
internal static class DemoCommand
{
    private const string Message = "greet.sh greets nobody when it is given no name. README.md says what it should do.";
    private static readonly TimeSpan StopLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    public static Command Create(Surroundings surroundings)
    {
        var keep = BerthCommand.Flag("--keep", "Keep the sample repository and the run.");
        var keepIn = new Option<string?>("--keep-in")
        {
            Description = "Make them in a new folder, and keep it.",
            HelpName = "FOLDER",
        };
        var mode = new Option<string>("--mode")
        {
            Description = "Where it runs: local, docker or auto.",
            HelpName = "local|docker|auto",
            DefaultValueFactory = _ => "local",
        };
        mode.AcceptOnlyFromAmong("local", "docker", "auto");
        var json = BerthCommand.JsonFlag(
            "Print the run as one JSON object; what is for people goes to standard error.");
        var command = new BerthCommand(
            "demo",
            "Shows a run of the real CLI on a sample repository, with a scripted model: no key, no network, no cost.",
            "berth demo",
            "berth demo --keep-in /tmp/berth-demo")
        {
            keep,
            keepIn,
            mode,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), () =>
        {
            var named = parsed.GetValue(keepIn);
            var screen = surroundings.Screen(onError: parsed.GetValue(json));
            var isKept = parsed.GetValue(keep) || named is not null;
            var folder = named is null ? null : Path.GetFullPath(named, surroundings.CurrentDirectory);
            return new Demo(surroundings, screen, isKept, parsed.GetValue(json), parsed.GetValue(mode)!)
                .ShowAsync(folder, cancel);
        }));
        return command;
    }

    private sealed record Demo(Surroundings Surroundings, IScreen Screen, bool IsKept, bool IsJson, string Mode)
    {
        public async Task<int> ShowAsync(string? named, CancellationToken cancel)
        {
            var folder = named is null ? Directory.CreateTempSubdirectory("berth-demo-").FullName : NewFolder(named);
            var isClean = false;
            try
            {
                await using var stage = await DemoStage.SetAsync(folder, Surroundings, cancel);
                var engine = Opened.Engine(stage.Surroundings);
                var run = await PlayAsync(stage, engine, cancel);
                isClean = run.State.IsFinal() && run.Cleanup.Leaked.Count == 0;
                await TellAsync(stage, engine, run, cancel);
                return ExitCodes.Of(run);
            }
            catch (FailureException)
            {
                // Refused before there was a run: nothing of it can be at work in the folder.
                isClean = true;
                throw;
            }
            finally
            {
                if (isClean && !IsKept)
                {
                    await RemoveAsync(folder);
                }
                else
                {
                    Say($"Everything is in {folder}.", Tone.Faint);
                }
            }
        }

        private async Task<RunView> PlayAsync(DemoStage stage, BerthEngine engine, CancellationToken cancel)
        {
            Say($"A sample repository, and in it a bug: {stage.Repository}");
            Say($"$ berth run fix \"{Message}\" --mode {Mode}", Tone.Strong);
            var request = new RunRequest
            {
                Workflow = "fix",
                Message = Message,
                Repository = stage.Repository,
                CurrentDirectory = stage.Repository,
                Mode = Mode,
                Keep = false,
            };
            var run = await engine.SubmitAsync(request, cancel);
            var runs = new HomeRuns(engine, Surroundings.Time);
            var ended = await RunCommand.StayAsync(stage.Surroundings, runs, run, Screen);
            if (ended.SentAwayBy is null)
            {
                return ended.Run;
            }

            // Without us there is no model for it to speak to.
            await engine.RequestCancelAsync(run.Id, force: true, CancellationToken.None);
            using var limit = new CancellationTokenSource(StopLimit, Surroundings.Time);
            try
            {
                return await engine.WaitAsync(run.Id, limit.Token);
            }
            catch (OperationCanceledException)
            {
                return engine.Resolve(run.Id);
            }
        }

        private async Task TellAsync(DemoStage stage, BerthEngine engine, RunView run, CancellationToken cancel)
        {
            if (IsJson)
            {
                Surroundings.Print(JsonSerializer.Serialize(run, RunJson.Readable.RunView));
            }

            Screen.Write(Line.Empty);
            foreach (var line in RunSummary.Of(run, stage.Repository, withNext: IsKept))
            {
                Screen.Write(line);
            }

            if (run.HeadCommit is not null)
            {
                Screen.Write(Line.Empty);
                Say($"$ berth diff {RunId.Short(run.Id)}", Tone.Strong);
                var runs = new HomeRuns(engine, Surroundings.Time);
                await DiffCommand.ShowAsync(runs, run, new DiffOrder(DiffForm.Patch), Screen, cancel);
            }

            Screen.Write(Line.Empty);
            Next(stage);
        }

        private void Next(DemoStage stage)
        {
            if (IsKept)
            {
                Say($"To look around: export BERTH_HOME={ShellText.Quoted(stage.Home)}; "
                    + $"cd {ShellText.Quoted(stage.Repository)}; berth ps");
            }

            Say("That was the real Claude Code CLI in its sandbox; a script played the model. With a real one:");
            Say("  export ANTHROPIC_API_KEY=…", Tone.Strong);
            Say($"  cd your-repository && berth run fix \"what is wrong\" --mode {Mode}", Tone.Strong);
        }

        private static string NewFolder(string folder)
        {
            if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any() || File.Exists(folder))
            {
                throw new FailureException(
                    "demo_folder_in_use",
                    $"The folder {folder} is there already and is not empty.",
                    "Name a new one with --keep-in.",
                    Fault.User);
            }

            return Directory.CreateDirectory(folder).FullName;
        }

        // The host has said that the run is over, but needs a moment more to end; it has the database open until
        // then.
        private async Task RemoveAsync(string folder)
        {
            var begun = Surroundings.Time.GetTimestamp();
            while (true)
            {
                try
                {
                    Directory.Delete(folder, recursive: true);
                    return;
                }
                catch (DirectoryNotFoundException)
                {
                    return;
                }
                catch (Exception busy) when (busy is IOException or UnauthorizedAccessException)
                {
                    if (Surroundings.Time.GetElapsedTime(begun) > RemovalLimit)
                    {
                        Say($"{folder} could not be removed: {busy.Message}", Tone.Warning);
                        return;
                    }
                }

                await Task.Delay(Poll, Surroundings.Time);
            }
        }

        private void Say(string text, Tone tone = Tone.Plain) => Screen.Write(Line.Of(text, tone));
    }
}
