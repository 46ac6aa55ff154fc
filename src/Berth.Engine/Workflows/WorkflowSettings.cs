using System.Globalization;
using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Engine.Network;
using Berth.Protocol;

namespace Berth.Engine.Workflows;

/// <summary>
/// What <c>workflow.json</c> says. What it does not say is null and left to the request, the settings and the defaults.
/// </summary>
internal sealed record WorkflowSettings
{
    /// <summary>The most turns that may be asked for.</summary>
    public const int MostTurns = 1000;

    /// <summary>The highest budget that may be asked for, in US dollars.</summary>
    public const decimal HighestBudget = 10_000m;

    /// <summary>The most tokens that may be asked for.</summary>
    public const long MostTokens = 1_000_000_000_000;

    /// <summary><c>mode</c>: where it runs, <c>local</c>, <c>docker</c> or <c>auto</c>.</summary>
    public string? Mode { get; init; }

    /// <summary><c>model</c>: the model's name or alias, as the CLI takes it.</summary>
    public string? Model { get; init; }

    /// <summary><c>maxTurns</c>: 1 to 1000.</summary>
    public int? MaxTurns { get; init; }

    /// <summary><c>maxBudgetUsd</c>: US dollars, more than 0, at most 10000.</summary>
    public decimal? MaxBudgetUsd { get; init; }

    /// <summary><c>maxTokens</c>: tokens read and written in the whole conversation, 1 to 1000000000000.</summary>
    public long? MaxTokens { get; init; }

    /// <summary><c>timeout</c>: how long the agent may run, <c>1s</c> to <c>24h</c>.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// <c>idleTimeout</c>: without output for so long it is stopped, <c>1s</c> to <c>24h</c>. By default it is only
    /// reported.
    /// </summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>
    /// <c>permissionMode</c>: <c>dontAsk</c>, the default, allows what allowed_tools.json names; <c>bypass</c> allows
    /// every tool.
    /// </summary>
    public PermissionMode PermissionMode { get; init; } = PermissionMode.DontAsk;

    /// <summary>
    /// <c>permissions</c>: what becomes of a tool call that no rule covers. <c>deny</c>, the default, or <c>ask</c>: it
    /// waits for somebody's decision.
    /// </summary>
    public bool Asks { get; init; }

    /// <summary><c>approvalTimeout</c>: how long it waits, <c>1s</c> to <c>24h</c>, until it is denied.</summary>
    public TimeSpan? ApprovalTimeout { get; init; }

    /// <summary><c>approvals</c>: who decides. <c>anyone</c>, the default, or <c>other</c>: somebody else than who
    /// asked for the run.</summary>
    public bool ApprovalsByOther { get; init; }

    /// <summary><c>sandbox</c>: <c>bubblewrap</c> or <c>none</c>.</summary>
    public string? Sandbox { get; init; }

    /// <summary><c>image</c>: the image of a run in Docker mode.</summary>
    public string? Image { get; init; }

    /// <summary>
    /// <c>network</c>: what can be reached beyond the model. <c>"none"</c>, <c>"open"</c>, or an object of <c>mode</c>
    /// and <c>hosts</c>.
    /// </summary>
    public NetworkPolicy? Network { get; init; }

    /// <summary>
    /// <c>modelTools</c>: server tools that the model's service may run for the agent, of <c>web_search</c>,
    /// <c>web_fetch</c> and <c>code_execution</c>. A run whose network is open may use them all.
    /// </summary>
    public IReadOnlyList<string> ModelTools { get; init; } = [];

    /// <summary><c>mounts</c>: host folders, within what the operator permits; null for none.</summary>
    public IReadOnlyList<MountText>? Mounts { get; init; }

    /// <summary>
    /// <c>trust</c>: <c>none</c> or <c>instructions</c>; what of the repository's own configuration counts.
    /// </summary>
    public Trust? Trust { get; init; }

    /// <summary><c>directory</c>: the folder of the repository to begin in, from its top.</summary>
    public string? Directory { get; init; }

    /// <summary><c>pullRequestTitle</c>: a template, at most 10,000 characters.</summary>
    public string? PullRequestTitle { get; init; }

    /// <summary><c>pullRequestBody</c>: likewise.</summary>
    public string? PullRequestBody { get; init; }

    /// <summary><c>pullRequestDraft</c>: whether it is a draft.</summary>
    public bool PullRequestDraft { get; init; }

    /// <summary><c>pullRequestLabels</c>: at most 15.</summary>
    public IReadOnlyList<string> PullRequestLabels { get; init; } = [];

    /// <summary><c>pullRequestReviewers</c>: names of accounts, at GitHub also <c>org/team</c>; at most 15.</summary>
    public IReadOnlyList<string> PullRequestReviewers { get; init; } = [];

    private delegate WorkflowSettings Setter(WorkflowSettings settings, LocatedJson value);

    private static readonly Dictionary<string, Setter> Fields = new(StringComparer.Ordinal)
    {
        ["mode"] = (settings, value) => settings with { Mode = OneOf(value, "local", "docker", "auto") },
        ["model"] = (settings, value) => settings with { Model = ModelName(value) },
        ["maxTurns"] = (settings, value) => settings with { MaxTurns = Turns(value) },
        ["maxBudgetUsd"] = (settings, value) => settings with { MaxBudgetUsd = Budget(value) },
        ["maxTokens"] = (settings, value) => settings with { MaxTokens = Tokens(value) },
        ["timeout"] = (settings, value) => settings with { Timeout = Duration(value) },
        ["idleTimeout"] = (settings, value) => settings with { IdleTimeout = Duration(value) },
        ["permissionMode"] = (settings, value) => settings with { PermissionMode = Permission(value) },
        ["permissions"] = (settings, value) => settings with
        {
            Asks = string.Equals(OneOf(value, "deny", "ask"), "ask", StringComparison.Ordinal),
        },
        ["approvalTimeout"] = (settings, value) => settings with { ApprovalTimeout = Duration(value) },
        ["approvals"] = (settings, value) => settings with
        {
            ApprovalsByOther = string.Equals(OneOf(value, "anyone", "other"), "other", StringComparison.Ordinal),
        },
        ["sandbox"] = (settings, value) => settings with { Sandbox = OneOf(value, "bubblewrap", "none") },
        ["image"] = (settings, value) => settings with { Image = ImageName(value) },
        ["network"] = (settings, value) => settings with { Network = WorkflowNetwork.Read(value) },
        ["modelTools"] = (settings, value) => settings with { ModelTools = WorkflowNetwork.ReadModelTools(value) },
        ["mounts"] = (settings, value) => settings with { Mounts = [.. value.ItemsOr(MountsExpected).Select(Mount)] },
        ["trust"] = (settings, value) => settings with { Trust = TrustOf(value) },
        ["directory"] = (settings, value) => settings with { Directory = Folder(value) },
        ["pullRequestTitle"] = (settings, value) => settings with { PullRequestTitle = Template(value) },
        ["pullRequestBody"] = (settings, value) => settings with { PullRequestBody = Template(value) },
        ["pullRequestDraft"] = (settings, value) => settings with { PullRequestDraft = Switch(value) },
        ["pullRequestLabels"] = (settings, value) => settings with
        {
            PullRequestLabels = Words(value, PullRequestWords.IsLabel, PullRequestWords.LabelExpected),
        },
        ["pullRequestReviewers"] = (settings, value) => settings with
        {
            PullRequestReviewers = Words(value, PullRequestWords.IsReviewer, PullRequestWords.ReviewerExpected),
        },
    };

    /// <summary>Reads <c>workflow.json</c>.</summary>
    /// <exception cref="FailureException"><c>workflow_invalid</c>: an unknown field, or a bad value.</exception>
    public static WorkflowSettings Read(WorkflowText text)
    {
        var settings = new WorkflowSettings();
        foreach (var member in LocatedJson.Parse(text).MembersOr("an object of settings"))
        {
            var set = Fields.GetValueOrDefault(member.Name) ?? throw text.Refuse(
                member.Index,
                $"expected one of {string.Join(", ", Fields.Keys)}, found \"{member.Name}\"");
            settings = set(settings, member.Value);
            if (settings is { PermissionMode: PermissionMode.Bypass, Sandbox: "none" })
            {
                throw text.Refuse(
                    member.Index,
                    "expected a sandbox where permissionMode is \"bypass\", found \"sandbox\": \"none\"");
            }

            if (settings is { PermissionMode: PermissionMode.Bypass, Asks: true })
            {
                throw text.Refuse(
                    member.Index,
                    "expected one of the two, found \"permissions\": \"ask\" and \"permissionMode\": \"bypass\"");
            }
        }

        return settings;
    }

    private static string OneOf(LocatedJson value, params ReadOnlySpan<string> words)
    {
        var expected = words.Length == 1 ? $"\"{words[0]}\"" : $"one of \"{string.Join("\", \"", words!)}\"";
        return value.Kind == JsonTokenType.String && words.Contains(value.Text)
            ? value.Text
            : throw value.Refuse(expected);
    }

    private static string ModelName(LocatedJson value)
    {
        const string Expected = "the name of a model: 1 to 200 letters, digits or . _ : / @ [ ] -, and no - in front";
        var name = value.StringOr(Expected);
        var good = name.Length <= 200 && name[0] != '-'
            && name.All(letter => char.IsAsciiLetterOrDigit(letter) || IsMark(letter));
        return good ? name : throw value.Refuse(Expected);
    }

    private static string ImageName(LocatedJson value)
    {
        const string Expected = "the name of an image";
        var name = value.StringOr(Expected);
        return Workflows.ImageName.IsName(name) ? name : throw value.Refuse(Expected);
    }

    private static string Folder(LocatedJson value)
    {
        const string Expected = "a folder of the repository as a path from its top, without ..";
        var path = value.StringOr(Expected);
        return path.Length <= 1024 && path[0] != '/' && !path.Any(char.IsControl) && !path.Split('/').Contains("..")
            ? path
            : throw value.Refuse(Expected);
    }

    private static string Template(LocatedJson value)
    {
        const string Expected = "a text of 1 to 10000 characters";
        var text = value.StringOr(Expected);
        return text.Length <= 10_000 ? text : throw value.Refuse(Expected);
    }

    private static bool Switch(LocatedJson value) => value.Kind switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw value.Refuse("true or false"),
    };

    private static List<string> Words(LocatedJson value, Func<string, bool> isWord, string expected)
    {
        var some = $"a list of at most {PullRequestWords.Most}";
        var words = value.ItemsOr(some).Select(item => item.StringOr(expected) is var word && isWord(word)
            ? word
            : throw item.Refuse(expected)).ToList();
        return words.Count <= PullRequestWords.Most ? words : throw value.Refuse(some);
    }

    private static MountText Mount(LocatedJson value) =>
        MountText.Parse(value.StringOr(MountText.Expected)) ?? throw value.Refuse(MountText.Expected);

    private static bool IsMark(char letter) => letter is '.' or '_' or ':' or '/' or '@' or '[' or ']' or '-';

    private static int Turns(LocatedJson value) =>
        value.Kind == JsonTokenType.Number
        && int.TryParse(value.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var turns)
        && turns is >= 1 and <= MostTurns
            ? turns
            : throw value.Refuse("a whole number from 1 to 1000");

    private static long Tokens(LocatedJson value) =>
        value.Kind == JsonTokenType.Number
        && long.TryParse(value.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var tokens)
        && tokens is >= 1 and <= MostTokens
            ? tokens
            : throw value.Refuse("a whole number from 1 to 1000000000000");

    private static decimal Budget(LocatedJson value) =>
        value.Kind == JsonTokenType.Number
        && decimal.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var budget)
        && budget is > 0 and <= HighestBudget
            ? budget
            : throw value.Refuse("US dollars as a number above 0 and at most 10000");

    private static TimeSpan Duration(LocatedJson value) =>
        value.Kind == JsonTokenType.String && DurationText.TryParse(value.Text, out var duration)
            ? duration
            : throw value.Refuse(DurationText.Expected);

    private static PermissionMode Permission(LocatedJson value) =>
        string.Equals(OneOf(value, "dontAsk", "bypass"), "bypass", StringComparison.Ordinal)
            ? PermissionMode.Bypass
            : PermissionMode.DontAsk;

    // Full trust is a matter between the operator and one repository; a recipe that runs on any repository cannot give
    // it.
    private static Trust TrustOf(LocatedJson value) =>
        value.Kind != JsonTokenType.String ? throw value.Refuse(TrustExpected) : value.Text switch
        {
            "none" => Claude.Trust.None,
            "instructions" => Claude.Trust.Instructions,
            _ => throw value.Refuse(TrustExpected),
        };

    private const string MountsExpected = "an array of folders, each HOST[:INSIDE][:ro|:rw]";

    private const string TrustExpected =
        "\"none\" or \"instructions\" "
        + "(full trust is given to a repository, by --trust full or the operator's settings)";
}
