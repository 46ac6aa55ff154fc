using System.Text;
using Berth.Engine.Gateway;
using Xunit;

namespace Berth.Tests.Gateway;

public sealed class UsageMeterTests
{
    private const string Stream = """
        event: message_start
        data: {"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}

        event: content_block_delta
        data: {"type":"content_block_delta","delta":{"text":"\"usage\""}}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":42}}


        """;

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(4096)]
    public void A_stream_is_counted_however_it_is_cut(int size)
    {
        var meter = new UsageMeter(streamed: true);
        foreach (var chunk in Encoding.UTF8.GetBytes(Stream).Chunk(size))
        {
            meter.Read(chunk);
        }

        meter.Complete();
        Assert.Equal(new AnswerUsage { Input = 10, CacheRead = 5, Output = 42, IsWhole = true }, meter.Usage);
    }

    [Fact]
    public void A_whole_answer_is_counted()
    {
        var meter = new UsageMeter(streamed: false);
        meter.Read("""
            {"type":"message","model":"m","stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":4}}
            """u8);
        meter.Complete();

        Assert.Equal(new AnswerUsage { Input = 3, Output = 4, Model = "m", IsWhole = true }, meter.Usage);
    }

    [Theory]
    [InlineData("data: {\"usage\": broken\n")]
    [InlineData("data: [\"usage\"]\n")]
    [InlineData("data: {\"message\":\"usage\",\"usage\":{\"output_tokens\":\"x\"}}\n")]
    [InlineData("data: {\"usage\":{\"output_tokens\":1e99}}\n")]
    public void What_is_no_count_is_passed_over(string line)
    {
        var meter = new UsageMeter(streamed: true);
        meter.Read(Encoding.UTF8.GetBytes(line));

        Assert.Equal(new AnswerUsage(), meter.Usage);
    }

    [Fact]
    public void A_line_without_end_does_not_fill_the_memory()
    {
        var meter = new UsageMeter(streamed: true);
        var block = new byte[256 * 1024];
        var before = GC.GetTotalAllocatedBytes(precise: true);
        for (var i = 0; i < 400; i++)
        {
            meter.Read(block);
        }

        meter.Read(Encoding.UTF8.GetBytes("\n" + Stream));
        Assert.Equal(42, meter.Usage.Output);
        Assert.True(GC.GetTotalAllocatedBytes(precise: true) - before < 16 * 1024 * 1024);
    }
}
