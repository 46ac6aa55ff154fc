namespace Berth.Engine.Gateway;

/// <summary>What a model's tokens cost, in US dollars a million.</summary>
/// <param name="Input">Tokens read that the cache has no part in.</param>
/// <param name="Output">Tokens written.</param>
/// <param name="CacheWrite">Tokens read and kept for five minutes.</param>
/// <param name="CacheWrite1h">Tokens read and kept for an hour.</param>
/// <param name="CacheRead">Tokens read from the cache.</param>
internal sealed record TokenPrice(
    decimal Input, decimal Output, decimal CacheWrite, decimal CacheWrite1h, decimal CacheRead)
{
    /// <summary>The dearest that a token read can be.</summary>
    public decimal DearestInput => Math.Max(Math.Max(Input, CacheWrite), Math.Max(CacheWrite1h, CacheRead));
}

/// <summary>The prices of one model.</summary>
/// <param name="Standard">What usually holds.</param>
internal sealed record ModelPrice(TokenPrice Standard)
{
    /// <summary>What holds where an answer was asked for in fast mode; null where that costs no more.</summary>
    public TokenPrice? Fast { get; init; }

    /// <summary>What holds for a prompt of more than <see cref="LongAbove"/> tokens; null for the same.</summary>
    public TokenPrice? Long { get; init; }

    /// <summary>Tokens read, cached ones included.</summary>
    public long LongAbove { get; init; }
}

/// <summary>What model calls cost: the table of the pinned CLI, and what the operator says over it.</summary>
/// <remarks>
/// Each price here was read off what CLI 2.1.330 said that a call of known usage had cost; a test compares them again
/// with every pin. What was not seen is not in here: such a model is reckoned at the dearest.
/// </remarks>
internal sealed class ModelPrices
{
    private const decimal Million = 1_000_000m;
    private const decimal WebSearch = 0.01m;
    private const decimal InTheUnitedStates = 1.1m;

    private static readonly TokenPrice Fable = new(10, 50, 12.5m, 20, 1);
    private static readonly TokenPrice Fable51 = new(10, 50, 12.5m, 20, 0.25m);
    private static readonly TokenPrice Fable52 = new(8, 40, 10, 16, 0.2m);
    private static readonly TokenPrice Fable52Fast = new(16, 80, 20, 32, 0.4m);
    private static readonly TokenPrice Opus55 = new(4, 20, 5, 8, 0.2m);
    private static readonly TokenPrice Opus55Fast = new(8, 40, 10, 16, 0.4m);
    private static readonly TokenPrice Opus = new(5, 25, 6.25m, 10, 0.5m);
    private static readonly TokenPrice OpusFast = new(10, 50, 12.5m, 20, 1);
    private static readonly TokenPrice Opus46Fast = new(30, 150, 37.5m, 60, 3);
    private static readonly TokenPrice Sonnet4 = new(3, 15, 3.75m, 6, 0.3m);
    private static readonly TokenPrice Sonnet5 = new(2, 10, 2.5m, 4, 0.2m);
    private static readonly TokenPrice Sonnet55 = new(2, 10, 2.5m, 4, 0.1m);
    private static readonly TokenPrice Haiku35 = new(0.8m, 4, 1, 1.6m, 0.08m);
    private static readonly TokenPrice Haiku45 = new(1, 5, 1.25m, 2, 0.1m);
    private static readonly TokenPrice Haiku55 = new(0.1m, 0.5m, 0.125m, 0.2m, 0.01m);
    private static readonly TokenPrice Haiku55Long = new(0.5m, 2.5m, 0.625m, 1, 0.05m);

    private readonly Dictionary<string, ModelPrice> prices;

    private ModelPrices(Dictionary<string, ModelPrice> prices)
    {
        this.prices = prices;
        Dearest = prices.Values.MaxBy(price => price.Standard.Output)!;
    }

    /// <summary>The prices of the pinned CLI.</summary>
    public static ModelPrices Listed { get; } = new(new(StringComparer.OrdinalIgnoreCase)
    {
        ["claude-fable-5"] = new(Fable),
        ["claude-fable-5-1"] = new(Fable51),
        ["claude-fable-5-2"] = new(Fable52) { Fast = Fable52Fast },
        ["claude-mythos-5"] = new(Fable),
        ["claude-mythos-5-1"] = new(Fable51),
        ["claude-mythos-5-2"] = new(Fable52) { Fast = Fable52Fast },
        ["claude-opus-4-5"] = new(Opus),
        ["claude-opus-4-6"] = new(Opus) { Fast = Opus46Fast },
        ["claude-opus-4-7"] = new(Opus) { Fast = Opus46Fast },
        ["claude-opus-4-8"] = new(Opus) { Fast = OpusFast },
        ["claude-opus-5"] = new(Opus) { Fast = OpusFast },
        ["claude-opus-5-5"] = new(Opus55) { Fast = Opus55Fast },
        ["claude-3-7-sonnet"] = new(Sonnet4),
        ["claude-sonnet-4"] = new(Sonnet4),
        ["claude-sonnet-4-0"] = new(Sonnet4),
        ["claude-sonnet-4-5"] = new(Sonnet4),
        ["claude-sonnet-4-6"] = new(Sonnet4),
        ["claude-sonnet-5"] = new(Sonnet5),
        ["claude-sonnet-5-5"] = new(Sonnet55),
        ["claude-3-5-haiku"] = new(Haiku35),
        ["claude-haiku-4-5"] = new(Haiku45),
        ["claude-haiku-5-5"] = new(Haiku55) { Long = Haiku55Long, LongAbove = 100_000 },
    });

    /// <summary>The models that are priced.</summary>
    public IReadOnlyCollection<string> Models => prices.Keys;

    /// <summary>The prices of the model with the dearest output.</summary>
    public ModelPrice Dearest { get; }

    /// <summary>These, and over them others.</summary>
    public ModelPrices With(IEnumerable<KeyValuePair<string, TokenPrice>> others)
    {
        var all = new Dictionary<string, ModelPrice>(prices, StringComparer.OrdinalIgnoreCase);
        foreach (var (model, price) in others)
        {
            all[model] = new ModelPrice(price);
        }

        return new ModelPrices(all);
    }

    /// <summary>A model's prices, or null where they are not known.</summary>
    /// <param name="model">Its name; one with a date, a provider's prefix or a suffix such as <c>[1m]</c> means the
    /// same.</param>
    public ModelPrice? Find(string model) => prices.GetValueOrDefault(model) ?? prices.GetValueOrDefault(Bare(model));

    /// <summary>What a call cost.</summary>
    /// <param name="answer">What was used.</param>
    /// <param name="asked">The model that was asked for, where that of the answer is not known.</param>
    public decimal CostOf(AnswerUsage answer, string? asked)
    {
        var price = (answer.Model is { } model ? Find(model) : null) ?? (asked is null ? null : Find(asked)) ?? Dearest;
        var tokens = answer switch
        {
            { IsFast: true } when price.Fast is { } fast => fast,
            _ when price.Long is { } others && answer.AllInput > price.LongAbove => others,
            _ => price.Standard,
        };
        var cost = (answer.Input * tokens.Input)
            + (answer.CacheRead * tokens.CacheRead)
            + (answer.CacheWrite * tokens.CacheWrite)
            + (answer.CacheWrite1h * tokens.CacheWrite1h)
            + (answer.Output * tokens.Output);
        var geography = answer.IsInTheUnitedStates ? InTheUnitedStates : 1;
        return (cost / Million * geography) + (answer.WebSearches * WebSearch);
    }

    /// <summary>The most that a call can cost, but for what the model's service searches on the web.</summary>
    public decimal MostFor(string? model, bool fast, long input, long output)
    {
        var price = (model is null ? null : Find(model)) ?? Dearest;
        var dear = (fast ? price.Fast : null) ?? price.Long ?? price.Standard;
        return ((input * dear.DearestInput) + (output * dear.Output)) / Million * InTheUnitedStates;
    }

    // us.anthropic.claude-opus-4-5-20251101-v1:0, claude-opus-5-5[1m], claude-haiku-4-5@20251001
    private static string Bare(string model)
    {
        var start = model.IndexOf("claude-", StringComparison.OrdinalIgnoreCase);
        var name = model.AsSpan(Math.Max(0, start));
        var end = name.IndexOfAny(['@', '[', ':']);
        name = end < 0 ? name : name[..end];
        var version = name.LastIndexOf("-v");
        name = version > 0 && IsDigits(name[(version + 2)..]) ? name[..version] : name;
        var date = name.LastIndexOf('-');
        return (date > 0 && name.Length - date == 9 && IsDigits(name[(date + 1)..]) ? name[..date] : name).ToString();
    }

    private static bool IsDigits(ReadOnlySpan<char> text) =>
        text.Length > 0 && !text.ContainsAnyExceptInRange('0', '9');
}
