using System.Text.Json;
using Berth.Engine.Gateway;
using Berth.Protocol;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Berth.Tests.Gateway;

public sealed class ModelPricesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-prices-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("claude-opus-5-5", 6.72)]
    [InlineData("claude-sonnet-4-6", 5.07)]
    [InlineData("claude-haiku-4-5", 1.69)]
    public void Each_kind_of_token_has_its_price(string model, double expected)
    {
        var usage = new AnswerUsage
        {
            Model = model, Input = 100_000, CacheRead = 200_000, CacheWrite = 40_000, CacheWrite1h = 10_000,
            Output = 300_000,
        };

        Assert.Equal((decimal)expected, ModelPrices.Listed.CostOf(usage, asked: null));
    }

    [Theory]
    [InlineData("claude-opus-4-5-20251101", "claude-opus-4-5")]
    [InlineData("us.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5")]
    [InlineData("claude-haiku-4-5@20251001", "claude-haiku-4-5")]
    [InlineData("claude-opus-5-5[1m]", "claude-opus-5-5")]
    [InlineData("Claude-Sonnet-4-20250514", "claude-sonnet-4")]
    [InlineData("claude-3-7-sonnet-20250219", "claude-3-7-sonnet")]
    public void A_name_means_the_same_with_a_date_a_provider_or_a_suffix(string name, string model) =>
        Assert.Same(ModelPrices.Listed.Find(model), ModelPrices.Listed.Find(name));

    [Theory]
    [InlineData("claude-opus-5-6")]
    [InlineData("claude-opus-4")]
    [InlineData("gpt-9")]
    [InlineData("")]
    public void Another_model_is_not_priced_as_one_of_a_similar_name(string name) =>
        Assert.Null(ModelPrices.Listed.Find(name));

    [Fact]
    public void What_is_not_known_counts_as_what_was_asked_for_or_else_as_the_dearest()
    {
        var answer = new AnswerUsage { Model = "mine", Input = 1_000_000 };

        Assert.Equal(4, ModelPrices.Listed.CostOf(answer, "claude-opus-5-5"));
        Assert.Equal(10, ModelPrices.Listed.CostOf(answer, "mine"));
        Assert.Equal(10, ModelPrices.Listed.CostOf(answer with { Model = null }, asked: null));
    }

    [Fact]
    public void A_long_prompt_a_fast_answer_a_place_and_a_search_cost_more()
    {
        var haiku = new AnswerUsage { Model = "claude-haiku-5-5", Input = 60_000, CacheRead = 40_000, Output = 1000 };
        var opus = new AnswerUsage { Model = "claude-opus-5-5", Input = 100_000 };

        Assert.Equal(0.0069m, ModelPrices.Listed.CostOf(haiku, null));
        Assert.Equal(0.03450005m, ModelPrices.Listed.CostOf(haiku with { CacheRead = 40_001 }, null));
        Assert.Equal(0.8m, ModelPrices.Listed.CostOf(opus with { IsFast = true }, null));
        Assert.Equal(0.44m, ModelPrices.Listed.CostOf(opus with { IsInTheUnitedStates = true }, null));
        Assert.Equal(0.42m, ModelPrices.Listed.CostOf(opus with { WebSearches = 2 }, null));
    }

    [Fact]
    public void The_operators_prices_come_first()
    {
        var prices = PriceFile.Read(Write("""
            // Ours.
            {"mine": {"input": 2, "output": 8}, "claude-opus-5-5": {"input": 1, "output": 1, "cacheRead": 0.1}}
            """));

        Assert.Equal(8, prices.CostOf(new() { Model = "mine", Output = 1_000_000 }, null));
        Assert.Equal(2, prices.CostOf(new() { Model = "mine", CacheWrite1h = 1_000_000 }, null));
        Assert.Equal(0.1m, prices.CostOf(new() { Model = "claude-opus-5-5", CacheRead = 1_000_000 }, null));
        Assert.Same(ModelPrices.Listed, PriceFile.Read(null));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"m\": {\"input\": 1}}")]
    [InlineData("{\"m\": {\"input\": -1, \"output\": 1}}")]
    [InlineData("{\"m\": {\"input\": 1, \"output\": 1, \"outputs\": 1}}")]
    [InlineData("{\"m\": {\"input\": 1, \"input\": 1, \"output\": 1}}")]
    [InlineData("{\"m\": null}")]
    [InlineData("{\"\": {\"input\": 1, \"output\": 1}}")]
    [InlineData("{\"m\": {\"input\": 1e7, \"output\": 1}}")]
    [InlineData("{")]
    public void A_bad_table_is_refused_by_name(string text)
    {
        var file = Write(text);
        var refused = Assert.Throws<FailureException>(() => PriceFile.Read(file));

        Assert.Equal("model_prices_invalid", refused.Failure.Code);
        Assert.Contains(file, refused.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_that_is_not_there_is_missed() => Assert.Equal(
        "model_prices_unreadable",
        Assert.Throws<FailureException>(() => PriceFile.Read(Path.Combine(folder, "nosuch"))).Failure.Code);

    [Theory]
    [InlineData("{\"model\": \"claude-opus-5-5\", \"max_tokens\": 1000, \"messages\": [{\"max_tokens\": 7}]}", 1000)]
    [InlineData("{\"model\": \"claude-opus-5-5\"}", 128_000)]
    public void A_call_sets_aside_the_most_that_it_can_come_to(string body, long output)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(body);
        var call = ModelCall.Of(
            new HeaderDictionary(), RequestJudge.Judge(bytes, GatewayPolicy.Closed), bytes.Length, ModelPrices.Listed);

        Assert.Equal(1, call.Most.Turns);
        Assert.Equal(output + bytes.Length, call.Most.Tokens);
        Assert.True(call.Most.Usd >= ModelPrices.Listed.CostOf(
            new() { Model = "claude-opus-5-5", CacheWrite1h = bytes.Length, Output = output }, null));
    }

    [Fact]
    public void Where_another_model_may_answer_the_most_of_all_is_set_aside()
    {
        var bytes = """{"model": "claude-haiku-4-5", "fallbacks": [{"model": "any"}]}"""u8.ToArray();
        var call = ModelCall.Of(
            new HeaderDictionary { [RequestClass.AgentHeader] = "a" },
            RequestJudge.Judge(bytes, GatewayPolicy.Closed), bytes.Length, ModelPrices.Listed);

        Assert.False(call.IsMain);
        Assert.Equal(0, call.Most.Turns);
        Assert.True(call.Most.Usd >= 128_000 * 50 / 1_000_000m);
    }

    [Fact]
    public void A_cut_answer_counts_by_what_has_passed()
    {
        var meter = new UsageMeter(streamed: true);
        Line("""{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}""");
        for (var i = 0; i < 10; i++)
        {
            Line(JsonSerializer.Serialize(new { type = "content_block_delta", delta = new string('x', 460) }));
        }

        Assert.False(meter.Usage.IsWhole);
        Assert.InRange(meter.Usage.Output, 1000, 1300);
        Line("""{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}""");
        Assert.Equal(7, meter.Usage.Output);

        void Line(string data) => meter.Read(System.Text.Encoding.UTF8.GetBytes($"data: {data}\n"));
    }

    private string Write(string text)
    {
        var file = Path.Combine(folder, "prices.json");
        File.WriteAllText(file, text);
        return file;
    }
}
