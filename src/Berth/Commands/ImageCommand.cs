using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth image</c>: the run image of Docker mode.</summary>
internal static class ImageCommand
{
    public static Command Create(Surroundings surroundings) =>
        new BerthCommand("image", "Makes the image in which runs in Docker mode work.", "berth image build")
        {
            Build(surroundings),
        };

    private static BerthCommand Build(Surroundings surroundings)
    {
        var tag = new Option<string?>("--tag", "-t")
        {
            Description = "The image's name. Default: what BERTH_IMAGE says, else berth-run and the version.",
            HelpName = "NAME",
        };
        var from = new Option<string>("--base")
        {
            Description = $"The image to start from. Default: {RunImageBuild.UsualBase}.",
            HelpName = "IMAGE",
            DefaultValueFactory = _ => RunImageBuild.UsualBase,
        };
        var network = new Option<string>("--network")
        {
            Description = "The network of the build's steps: default, host or none.",
            HelpName = "default|host|none",
            DefaultValueFactory = _ => "default",
        };
        network.AcceptOnlyFromAmong("default", "host", "none");
        var json = BerthCommand.JsonFlag("Print the image as one JSON object.");
        var command = new BerthCommand(
            "build",
            "Builds the run image: a Debian with git, the CLI and the supervisor. What the daemon says goes to "
                + "standard error.",
            "berth image build",
            "berth image build --base our-tools:3 --tag our-runs:3")
        {
            tag,
            from,
            network,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            var settings = Settings.Bind(surroundings);
            var order = new RunImageOrder(
                Checked("--tag", parsed.GetValue(tag) ?? settings.Image),
                Checked("--base", parsed.GetRequiredValue(from)),
                parsed.GetRequiredValue(network));
            var people = surroundings.Screen(onError: true);
            var image = await Opened.Engine(surroundings, settings).Places.BuildImageAsync(
                order, words => people.Write(Line.Of(SafeText.Of(words), Tone.Faint)), cancel);
            surroundings.Print(parsed.GetValue(json)
                ? JsonSerializer.Serialize(image, CommandJson.Readable.RunImage)
                : $"{image.Image}, {Amounts.Bytes(image.Bytes)}");
            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static string Checked(string option, string name) => ImageName.IsName(name)
        ? name
        : throw new FailureException(
            "image_invalid",
            $"{option} {name} cannot be an image's name.",
            "Use a name such as debian:bookworm or registry.example.com/team/tools:2.",
            Fault.User);
}
