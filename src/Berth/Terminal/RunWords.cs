using System.Text.Json;
using Berth.Engine.Runs;

namespace Berth.Terminal;

/// <summary>Words for what a run is.</summary>
internal static class RunWords
{
    /// <summary>A state, as <c>--json</c> names it too.</summary>
    public static Part State(RunState state) => new(Name(state), state switch
    {
        RunState.Succeeded => Tone.Good,
        RunState.Failed or RunState.TimedOut or RunState.Lost => Tone.Bad,
        RunState.Cancelled or RunState.Stopping => Tone.Warning,
        _ => Tone.Plain,
    });

    /// <summary>A value of an enum as <c>--json</c> names it.</summary>
    public static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary>The last part of a repository's path or URL.</summary>
    public static string RepositoryName(string repository)
    {
        var name = repository.TrimEnd('/').Split('/', ':')[^1];
        return name.EndsWith(".git", StringComparison.Ordinal) ? name[..^4] : name;
    }
}
