using System.CommandLine;
using System.Text.Json;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth artifacts</c>: what there is of a run to be downloaded.</summary>
internal static class ArtifactsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var name = new Argument<string?>("NAME")
        {
            Description = "One artefact, as the list names it; it is written to standard output.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var all = BerthCommand.Flag("--all", "All artefacts; --output names the folder for them.", "-a");
        var output = new Option<string?>("--output", "-o")
        {
            Description = "Write to this file, or with --all into this folder.",
            HelpName = "PATH",
        };
        var force = BerthCommand.Flag("--force", "Overwrite files that are there.", "-f");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag("Print the list as JSON.");
        var command = new BerthCommand(
            "artifacts",
            "Lists what a run has left to be downloaded, or downloads it: files that the agent wrote to "
                + "$BERTH_ARTIFACTS, the conversation, the transcript, the changes.",
            "berth artifacts 7k3m9xq2",
            "berth artifacts 7k3m9xq2 files/report.html --output report.html",
            "berth artifacts 7k3m9xq2 changes.patch | git am",
            "berth artifacts 7k3m9xq2 --all --output left")
        {
            run,
            name,
            all,
            output,
            force,
            server,
            json,
        };
        command.Validators.Add(result =>
        {
            var isPlaced = result.GetValue(output) is not null;
            var what = (result.GetValue(all), result.GetValue(name) is not null);
            if (WhyNot(what, isPlaced, isPlaced || result.GetValue(force), result.GetValue(json)) is { } why)
            {
                result.AddError(why);
            }
        });
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var id = (await runs.FindAsync(parsed.GetRequiredValue(run), cancel)).Id;
            var download = new ArtifactDownload(surroundings, runs, id, parsed.GetValue(force));
            await ((parsed.GetValue(all), parsed.GetValue(name), parsed.GetValue(output)) switch
            {
                (true, _, { } folder) => download.AllAsync(folder, cancel),
                (_, { } one, null) => download.ShowAsync(one, cancel),
                (_, { } one, { } file) => download.ToFileAsync(one, file, cancel),
                _ => ListAsync(runs, id, surroundings, parsed.GetValue(json), cancel),
            });
            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static string? WhyNot(
        (bool All, bool One) what, bool isPlaced, bool isAboutFiles, bool asJson) => what switch
    {
        (true, true) => "--all downloads all artefacts; leave out NAME.",
        (true, _) when !isPlaced => "--all needs --output FOLDER.",
        (false, false) when isAboutFiles => "--output and --force need a NAME, or --all.",
        (true, _) or (_, true) when asJson => "--json is for the list, without NAME and --all.",
        _ => null,
    };

    private static async Task ListAsync(
        IRunService runs, string id, Surroundings surroundings, bool asJson, CancellationToken cancel)
    {
        var found = await runs.ListArtefactsAsync(id, cancel);
        if (asJson)
        {
            surroundings.Print(JsonSerializer.Serialize(found, CommandJson.Readable.IReadOnlyListArtefact));
            return;
        }

        var screen = surroundings.Screen();
        if (found.Count == 0)
        {
            screen.Write(Line.Of("The run has no artefacts, or has none any more.", Tone.Faint));
            return;
        }

        var now = surroundings.Time.GetUtcNow();
        var table = new Columns("NAME", "SIZE", "WRITTEN");
        foreach (var each in found)
        {
            table.Add(
                new Part(each.Name, Tone.Strong),
                new Part(each.Bytes is { } bytes ? Amounts.Bytes(bytes) : "-"),
                new Part(each.ModifiedAt is { } at ? Amounts.Age(now - at) : "-"));
        }

        table.Show(screen);
    }
}
