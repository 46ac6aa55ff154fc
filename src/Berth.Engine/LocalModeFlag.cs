using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.FeatureManagement;
using Microsoft.FeatureManagement.FeatureFilters;

namespace Berth.Engine;

/// <summary>
/// The feature flag <c>LocalMode</c>: whether runs may be local at all, and which are where nobody names a mode.
/// </summary>
/// <remarks>
/// <c>off</c> refuses local runs. Everything else lets them be asked for by name; <c>on</c> does no more than that, and
/// a roll-out, <c>25%</c> or names of workflows, also makes local those runs that nobody gave a mode. Who is among the
/// percentage is reckoned from the run's id, so it is the same whoever asks again.
/// </remarks>
internal sealed partial record LocalModeFlag
{
    /// <summary>The feature's name.</summary>
    public const string Name = "LocalMode";

    private const string Targeting = "Microsoft.Targeting";

    private LocalModeFlag(string text) => Text = text;

    /// <summary>Local may be asked for by name.</summary>
    public static LocalModeFlag On { get; } = new("on");

    /// <summary>No run may be local.</summary>
    public static LocalModeFlag Off { get; } = new("off");

    /// <summary>For people: what was set.</summary>
    public string Text { get; }

    /// <summary>Whether no run may be local.</summary>
    public bool IsOff => ReferenceEquals(this, Off);

    /// <summary>How many of a hundred runs are local where nobody names a mode. 0 to 100.</summary>
    public int Percentage { get; private init; }

    /// <summary>The workflows whose runs are local where nobody names a mode.</summary>
    public IReadOnlyList<string> Workflows { get; private init; } = [];

    /// <summary>Whether it makes runs local that nobody gave a mode.</summary>
    public bool IsRollOut => Percentage > 0 || Workflows.Count > 0;

    /// <summary>Reads it: <c>on</c>, <c>off</c>, or a percentage and names of workflows with commas between.</summary>
    /// <returns>Null where the text is none of these.</returns>
    public static LocalModeFlag? Parse(string text)
    {
        switch (text.Trim())
        {
            case "on" or "true":
                return On;
            case "off" or "false":
                return Off;
        }

        var words = text.Split(',', StringSplitOptions.TrimEntries);
        var workflows = words.Where(word => WorkflowName().IsMatch(word) && word is not ("on" or "off")).ToList();
        var rest = words.Except(workflows, StringComparer.Ordinal).ToList();
        return rest switch
        {
            [] => new(string.Join(", ", workflows)) { Workflows = workflows },
            [[.. var number, '%']] when IsPercentage(number, out var percentage) =>
                new(string.Join(", ", [$"{percentage} %", .. workflows]))
                {
                    Percentage = percentage,
                    Workflows = workflows,
                },
            _ => null,
        };
    }

    /// <summary>Whether a run that nobody gave a mode is local, and by what.</summary>
    /// <returns>Null, or what of the flag it was, for people.</returns>
    public async Task<string?> TakesAsync(string runId, string workflow)
    {
        // Building what evaluates a flag costs a run that is just starting more than all the rest of this choice.
        if (!IsRollOut)
        {
            return null;
        }

        var run = new TargetingContext { UserId = runId, Groups = [workflow] };
        if (!await Manager().IsEnabledAsync(Name, run))
        {
            return null;
        }

        return Workflows.Contains(workflow, StringComparer.Ordinal)
            ? $"workflow {workflow}"
            : string.Create(CultureInfo.InvariantCulture, $"{Percentage} %");
    }

    private FeatureManager Manager() => new(new OnlyThis(Definition()))
    {
        FeatureFilters =
        [
            new ContextualTargetingFilter(Options.Create(new TargetingEvaluationOptions()), NullLoggerFactory.Instance),
        ],
    };

    // A run's id is to the filter what a user's is, and a workflow what a group is.
    private FeatureDefinition Definition() => new()
    {
        Name = Name,
        EnabledFor =
        [
            new FeatureFilterConfiguration
            {
                Name = Targeting,
                ParametersObject = new TargetingFilterSettings
                {
                    Audience = new Audience
                    {
                        DefaultRolloutPercentage = Percentage,
                        Groups =
                        [
                            .. Workflows.Select(name => new GroupRollout { Name = name, RolloutPercentage = 100 }),
                        ],
                    },
                },
            },
        ],
    };

    private static bool IsPercentage(string text, out int percentage) =>
        int.TryParse(text.AsSpan().TrimEnd(), NumberStyles.None, CultureInfo.InvariantCulture, out percentage)
        && percentage <= 100;

    // What is nothing but digits is a percentage that somebody wrote without its sign.
    [GeneratedRegex("^(?![0-9]+$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex WorkflowName();

    private sealed class OnlyThis(FeatureDefinition definition) : IFeatureDefinitionProvider
    {
        public Task<FeatureDefinition> GetFeatureDefinitionAsync(string featureName) => Task.FromResult(definition);

        public async IAsyncEnumerable<FeatureDefinition> GetAllFeatureDefinitionsAsync()
        {
            yield return await GetFeatureDefinitionAsync(Name);
        }
    }
}
