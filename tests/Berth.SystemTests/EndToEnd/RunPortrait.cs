using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>
/// All that a run has shown, as lines: its exit code, the object that it printed, its events in their order, and its
/// commits. Two runs of the same request have the same lines, in whatever mode they were.
/// </summary>
/// <remarks>
/// What cannot be the same is left out by name, and nothing else: ids, numbers of events (their order stays), times,
/// paths of this machine, the numbers of processes and of commits (which hold times; their trees are compared), and by
/// which words the mode itself is known. What is left out is still there as a mark, so that it is missed where it is
/// missing.
/// </remarks>
internal static partial class RunPortrait
{
    private const string Mark = "·";

    private static readonly HashSet<string> Varying = new(StringComparer.Ordinal)
    {
        "at", "createdAt", "startedAt", "finishedAt", "durationMs", "phasesMs", "timestamp",
        "pid", "seq", "messaging_socket_path", "head", "headCommit", "sha",
    };

    private static readonly HashSet<string> OfTheMode = new(StringComparer.Ordinal)
    {
        "mode", "modeReason", "sandbox", "image",
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Takes it of a run that has ended.</summary>
    /// <param name="home">The run's home.</param>
    /// <param name="command">The command with <c>--json</c> that was the run.</param>
    /// <param name="repository">The repository that it was on.</param>
    public static async Task<IReadOnlyList<string>> TakeAsync(
        BerthHome home, CommandResult command, string repository)
    {
        var run = command.Json;
        var id = run.GetProperty("id").GetString()!;
        (string Known, string Name)[] names =
        [
            (id, "<run>"), (run.GetProperty("sessionId").GetString()!, "<session>"), (repository, "<repository>"),
        ];
        var entries = home.Journal(id).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonNode.Parse(line)!).Where(entry => !IsOfTheMoment(entry)).ToLookup(IsBesideTheOthers);
        return
        [
            string.Create(CultureInfo.InvariantCulture, $"exit {command.ExitCode}"),
            .. Lines(Normal(JsonNode.Parse(command.Output)!, isOurs: true, names)),
            .. entries[false].Concat(entries[true].Take(1)).SelectMany(entry =>
                Lines(Normal(entry, isOurs: entry["stream"]!.GetValue<string>() is "berth", names))),
            .. Named(await CommitsAsync(run.GetProperty("branch").GetString(), repository), names).Split('\n'),
        ];
    }

    /// <summary>Where two of them begin to differ, for people; null where they do not.</summary>
    public static string? Difference(IReadOnlyList<string> first, IReadOnlyList<string> second)
    {
        var at = first.Zip(second).TakeWhile(pair => string.Equals(pair.First, pair.Second, StringComparison.Ordinal))
            .Count();
        return at == first.Count && at == second.Count
            ? null
            : $"line {at}, after: {string.Join(" | ", first.Take(at).TakeLast(6))}\n"
                + $"  first:  {string.Join(" | ", first.Skip(at).Take(4))}\n"
                + $"  second: {string.Join(" | ", second.Skip(at).Take(4))}";
    }

    /// <summary>Puts marks and names in the place of what cannot be the same.</summary>
    public static JsonNode? Normal(JsonNode? node, bool isOurs, IReadOnlyList<(string Known, string Name)> names) =>
        node switch
        {
            JsonObject members => new JsonObject(members
                .Where(member => !isOurs || !OfTheMode.Contains(member.Key))
                .OrderBy(member => member.Key, StringComparer.Ordinal)
                .Select(member => KeyValuePair.Create(
                    Named(member.Key, names),
                    IsVarying(member.Key, member.Value) ? Mark : Normal(member.Value, isOurs, names)))),
            JsonArray items => new JsonArray([.. items.Select(item => Normal(item, isOurs, names))]),
            JsonValue value when value.TryGetValue<string>(out var text) => Named(text, names),
            null => null,
            _ => node.DeepClone(),
        };

    // The gateway notes a refusal while the agent gets it: either may be in the journal first, and the run may be over.
    private static bool IsBesideTheOthers(JsonNode entry) => Type(entry) is BerthEvents.ModelRefused;

    // What outlived the agent is counted as far as it was still seen, which is a matter of time; see the guide.
    private static bool IsOfTheMoment(JsonNode entry) => Type(entry) is BerthEvents.LeftoversKilled;

    private static string? Type(JsonNode entry) =>
        entry["data"] is JsonObject data ? data["type"]?.ToString() : null;

    private static bool IsVarying(string key, JsonNode? value) => value is not null
        && (Varying.Contains(key) || key.EndsWith("_ms", StringComparison.Ordinal));

    private static string Named(string text, IReadOnlyList<(string Known, string Name)> names) =>
        OwnIds().Replace(
            names.Aggregate(text, (now, name) => now.Replace(name.Known, name.Name, StringComparison.Ordinal)),
            Mark);

    // Those that the CLI makes up itself: of messages, and of files for what a tool has said too much of. And a
    // commit's where a secret's place names it.
    [GeneratedRegex(
        "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/tool-results/)[a-z0-9]+|(?<=\\(commit )[0-9a-f]{10}",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 10_000)]
    private static partial Regex OwnIds();

    private static IEnumerable<string> Lines(JsonNode? node) =>
        node!.ToJsonString(new() { WriteIndented = true }).Split('\n').Select(line => line.Trim());

    // Trees, authors and messages; the times in them are why the commits' own numbers differ.
    private static async Task<string> CommitsAsync(string? branch, string repository) => branch is null
        ? "no branch"
        : await BerthHome.GitInAsync(
            repository, Cancel, "log", "--reverse", "--topo-order",
            "--format=tree %T%nauthor %an <%ae>%ncommitter %cn <%ce>%n%B", $"main..{branch}");
}
