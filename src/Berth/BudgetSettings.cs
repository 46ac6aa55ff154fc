namespace Berth;

/// <summary>The settings about what may be spent.</summary>
internal static class BudgetSettings
{
    /// <summary>They.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        new()
        {
            Variable = "BERTH_BUDGETS",
            Key = "budgets",
            Unit = "path",
            Range = "a JSON file",
            Default = "$BERTH_HOME/budgets.json, where it is",
            Description = "What may be spent in a day, by workflow, repository, owner or altogether.",
            Bind = (options, value) => value.Path is { } path ? options with { Budgets = path } : null,
        },
        new()
        {
            Variable = "BERTH_MODEL_PRICES",
            Key = "modelPrices",
            Unit = "path",
            Range = "a JSON file",
            Default = "the prices of the pinned CLI",
            Description = "What models cost, over the built-in prices. Budgets in US dollars are reckoned by it.",
            Bind = (options, value) => value.Path is { } path ? options with { ModelPrices = path } : null,
        },
    ];
}
