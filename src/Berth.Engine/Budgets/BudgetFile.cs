using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Protocol;

namespace Berth.Engine.Budgets;

/// <summary>The operator's file of budgets: a JSON array of at most <see cref="MostRules"/> rules.</summary>
/// <remarks>
/// <c>[{"scope": "owner", "period": "day", "usd": 20}, {"scope": "workflow", "name": "fix", "period": "day",
/// "tokens": 5000000, "wallTime": "4h"}]</c>. Read anew for each run that is asked for, which keeps what it
/// found.
/// </remarks>
internal static class BudgetFile
{
    /// <summary>The most rules of a file.</summary>
    public const int MostRules = 100;

    private const int LongestName = 2000;
    private const long MostCounted = 1_000_000_000_000;
    private const decimal MostUsd = 1_000_000_000;

    /// <summary>Reads the rules; none where there is no file.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="mustExist">Whether somebody named it, so that it is missed when it is not there.</param>
    /// <param name="repositoryOf">The one name for a repository that may be written in several ways; null where it
    /// cannot be one.</param>
    /// <exception cref="FailureException"><c>budgets_invalid</c>, <c>budgets_unreadable</c>.</exception>
    public static IReadOnlyList<BudgetRule> Read(
        string file, bool mustExist, Func<string, string?> repositoryOf)
    {
        if (!mustExist && !File.Exists(file) && !Directory.Exists(file))
        {
            return [];
        }

        var entries = Parse(file);
        if (entries.Count > MostRules)
        {
            throw Invalid(file, $"expected at most {Number(MostRules)} rules, found {Number(entries.Count)}");
        }

        return [.. entries.Select((entry, index) => RuleOf(entry, Place(index), repositoryOf))];

        string Place(int index) => $"{file}, rule {Number(index + 1)}";
    }

    private static List<BudgetEntry> Parse(string file) => OperatorFile.Read(
        file,
        BudgetJson.Default.ListBudgetEntry,
        Invalid,
        unreadable => new FailureException(
            "budgets_unreadable",
            $"The budgets in {file} cannot be read: {unreadable.Message}",
            "Let the user that Berth runs as read it. Until then no run begins: the budgets are not known.",
            Fault.Operator,
            unreadable)) ?? [];

    private static BudgetRule RuleOf(BudgetEntry? entry, string place, Func<string, string?> repositoryOf)
    {
        var scope = entry?.Scope switch
        {
            "workflow" => BudgetScope.Workflow,
            "repository" => BudgetScope.Repository,
            "owner" => BudgetScope.Owner,
            "all" => BudgetScope.All,
            var other => throw Invalid(
                place, $"\"scope\": expected workflow, repository, owner or all, found {Shown(other)}"),
        };
        if (entry.Period is not "day")
        {
            throw Invalid(place, $"\"period\": expected \"day\", found {Shown(entry.Period)}");
        }

        if (entry.Name is { } name && (scope == BudgetScope.All || name.Length is 0 or > LongestName))
        {
            throw Invalid(
                place,
                scope == BudgetScope.All
                    ? "\"name\": the scope all has none"
                    : $"\"name\": expected 1 to {Number(LongestName)} characters");
        }

        var named = scope == BudgetScope.Repository && entry.Name is { } repository
            ? repositoryOf(repository) ?? throw Invalid(place, $"\"name\": {repository} cannot be a repository")
            : entry.Name;
        var limits = new BudgetLimits
        {
            Turns = InRange(entry.Turns, "turns", place),
            Tokens = InRange(entry.Tokens, "tokens", place),
            Usd = entry.Usd is <= 0 or > MostUsd
                ? throw Invalid(place, "\"usd\": expected an amount above 0 and at most 1000000000")
                : entry.Usd,
            WallMs = entry.WallTime is { } time ? Milliseconds(time, place) : null,
        };
        return limits.HasAny
            ? new BudgetRule(scope, named, limits)
            : throw Invalid(place, "expected one of turns, tokens, usd and wallTime");
    }

    private static long? InRange(long? count, string name, string place) => count is < 1 or > MostCounted
        ? throw Invalid(place, $"\"{name}\": expected a whole number from 1 to {Number(MostCounted)}")
        : count;

    // A day of many runs at once has more than 24 hours of work.
    private static long Milliseconds(string text, string place)
    {
        var unit = text switch
        {
            [.., 's'] => TimeSpan.FromSeconds(1),
            [.., 'm'] => TimeSpan.FromMinutes(1),
            [.., 'h'] => TimeSpan.FromHours(1),
            _ => TimeSpan.Zero,
        };
        return unit > TimeSpan.Zero
            && int.TryParse(text.AsSpan(..^1), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && count is >= 1 and <= 1_000_000
                ? (long)unit.TotalMilliseconds * count
                : throw Invalid(place, $"\"wallTime\": expected a time such as \"90s\" or \"4h\", found {Shown(text)}");
    }

    private static string Shown(string? text) => text is null ? "nothing" : $"\"{text}\"";

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static FailureException Invalid(string place, string problem, Exception? inner = null) => new(
        "budgets_invalid",
        $"{place}: {problem}.",
        "Write an array such as [{\"scope\": \"owner\", \"period\": \"day\", \"usd\": 20}]. "
            + "Until it is right no run begins: the budgets are not known.",
        Fault.Operator,
        inner);
}

/// <summary>One rule as it stands in the file.</summary>
internal sealed record BudgetEntry
{
    public string? Scope { get; init; }

    public string? Name { get; init; }

    public string? Period { get; init; }

    public long? Turns { get; init; }

    public long? Tokens { get; init; }

    public decimal? Usd { get; init; }

    public string? WallTime { get; init; }
}

/// <summary>How the file is read: a field that it does not know is an error.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true)]
[JsonSerializable(typeof(List<BudgetEntry>))]
internal sealed partial class BudgetJson : JsonSerializerContext;
