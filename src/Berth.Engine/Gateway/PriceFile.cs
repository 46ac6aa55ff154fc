using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Engine.Budgets;
using Berth.Protocol;

namespace Berth.Engine.Gateway;

/// <summary>The operator's prices of models, which outrank the built-in ones.</summary>
/// <remarks>
/// <c>{"my-model": {"input": 2, "output": 8, "cacheWrite": 2.5, "cacheWrite1h": 4, "cacheRead": 0.2}}</c>, in US
/// dollars a million tokens. What is said of the cache may be left out: it then costs what <c>input</c> does.
/// </remarks>
internal static class PriceFile
{
    private const int MostModels = 1000;
    private const decimal MostUsd = 1_000_000;

    /// <summary>The prices that hold.</summary>
    /// <param name="file">The file, or null for the built-in prices alone.</param>
    /// <exception cref="FailureException"><c>model_prices_invalid</c>, <c>model_prices_unreadable</c>.</exception>
    public static ModelPrices Read(string? file)
    {
        if (file is null)
        {
            return ModelPrices.Listed;
        }

        var entries = Parse(file);
        if (entries.Count > MostModels)
        {
            throw Invalid(file, $"expected at most {MostModels} models");
        }

        return ModelPrices.Listed.With(entries.Select(
            entry => KeyValuePair.Create(entry.Key, PriceOf(file, entry.Key, entry.Value))));
    }

    private static Dictionary<string, PriceEntry?> Parse(string file) => OperatorFile.Read(
        file,
        PriceJson.Default.DictionaryStringPriceEntry,
        Invalid,
        unreadable => new FailureException(
            "model_prices_unreadable",
            $"The prices of models in {file} cannot be read: {unreadable.Message}",
            "BERTH_MODEL_PRICES names the file: let the user that Berth runs as read it, or unset it.",
            Fault.Operator,
            unreadable)) ?? [];

    private static TokenPrice PriceOf(string file, string model, PriceEntry? entry)
    {
        if (model.Length is 0 or > 200 || entry is not { Input: { } input, Output: { } output })
        {
            throw Invalid(file, $"\"{model}\": expected a model's name with input and output");
        }

        var price = new TokenPrice(
            input, output, entry.CacheWrite ?? input, entry.CacheWrite1h ?? input, entry.CacheRead ?? input);
        return new[] { input, output, price.CacheWrite, price.CacheWrite1h, price.CacheRead }
            .All(amount => amount is >= 0 and <= MostUsd)
                ? price
                : throw Invalid(file, $"\"{model}\": expected amounts from 0 to {MostUsd}");
    }

    private static FailureException Invalid(string file, string problem, Exception? inner = null) => new(
        "model_prices_invalid",
        $"{file}: {problem}.",
        "Write for each model US dollars a million tokens: {\"my-model\": {\"input\": 2, \"output\": 8}}.",
        Fault.Operator,
        inner);
}

/// <summary>One model as it stands in the file.</summary>
internal sealed record PriceEntry(
    decimal? Input = null, decimal? Output = null, decimal? CacheWrite = null, decimal? CacheWrite1h = null,
    decimal? CacheRead = null);

/// <summary>How the file is read: a field that it does not know is an error.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true)]
[JsonSerializable(typeof(Dictionary<string, PriceEntry>))]
internal sealed partial class PriceJson : JsonSerializerContext;
