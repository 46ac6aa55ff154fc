using Berth.Engine;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>The engine on the home that the settings name.</summary>
internal static class Opened
{
    /// <summary>Binds the settings, opens the engine, and sees to runs whose host has died.</summary>
    public static BerthEngine Engine(Surroundings surroundings) => Engine(surroundings, Settings.Bind(surroundings));

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
