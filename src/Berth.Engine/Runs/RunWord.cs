using System.Text.Json;

namespace Berth.Engine.Runs;

/// <summary>States as words: <c>timed_out</c>.</summary>
internal static class RunWord
{
    /// <summary>The word of a state.</summary>
    public static string Of(RunState state) => JsonNamingPolicy.SnakeCaseLower.ConvertName(state.ToString());
}
