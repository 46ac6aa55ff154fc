using System.CommandLine;
using Berth.Engine;
using Berth.Protocol;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>The engine on the home that the settings name.</summary>
internal static class Opened
{
    /// <summary>Binds the settings, opens the engine, and sees to runs whose host has died.</summary>
    public static BerthEngine Engine(Surroundings surroundings) => Engine(surroundings, Settings.Bind(surroundings));

    /// <summary>The option that names a server.</summary>
    public static Option<string?> Server() => new("--server")
    {
        Description = "Ask this server, not this machine's home. Default: BERTH_SERVER. Its token is in BERTH_TOKEN.",
        HelpName = "URL",
    };

    /// <summary>The runs that a command is about: a server's where one is named, else this home's.</summary>
    /// <exception cref="FailureException"><c>usage</c>, and what can be wrong with settings or a home.</exception>
    public static IRunService Runs(Surroundings surroundings, string? server)
    {
        var options = Settings.Bind(surroundings);
        var url = server is null ? options.Remote.Server : ServerSettings.ServerOf(server)
            ?? throw new FailureException(
                "usage",
                $"--server {server} is not valid: expected an http or https URL of a server, without a path.",
                "Use one such as http://127.0.0.1:7433.",
                Fault.User);
        return url is null
            ? new HomeRuns(Engine(surroundings, options), surroundings.Time)
            : new ServerRuns(url, options.Remote.Token, surroundings.Time);
    }

    /// <summary>Opens the engine with given settings, and sees to runs whose host has died.</summary>
    public static BerthEngine Engine(Surroundings surroundings, BerthOptions options)
    {
        var engine = BerthEngine.Open(options, surroundings.Time);
        var orphans = engine.AdoptOrphans();
        if (orphans > 0)
        {
            surroundings.Screen(onError: true).Write(Line.Of(
                $"{Amounts.Of(orphans, "run")} had lost the process that looked after it; a new one takes over.",
                Tone.Faint));
        }

        return engine;
    }
}
