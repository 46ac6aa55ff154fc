using System.Buffers;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Protocol;

public sealed class AgentTextTests
{
    [Fact]
    public void Invalid_utf8_becomes_the_replacement_character()
    {
        byte[] text = [.. "aé"u8, 0xC3, .. "b"u8, 0xFF, 0xFE, .. "€"u8, 0xE2, 0x82];
        Assert.Equal("aé\uFFFDb\uFFFD\uFFFD€\uFFFD", Sanitize(text));
    }

    [Fact]
    public void Random_bytes_become_what_the_runtime_makes_of_them()
    {
        for (var round = 0; round < 200; round++)
        {
            var bytes = Noise.Bytes(round, round * 3);
            if (round % 2 == 0)
            {
                // Mostly ASCII, so that long valid stretches are met too.
                bytes = [.. bytes.Select(value => value > 240 ? value : (byte)(value & 0x7f))];
            }

            Assert.Equal(Encoding.UTF8.GetString(bytes), Sanitize(bytes));
        }
    }

    [Fact]
    public void Any_valid_text_survives_as_a_json_string()
    {
        var text = string.Concat(Enumerable.Range(0, 0x250).Select(value => (char)value)) + "\"\\/\u2028\U0001F600";
        var output = new ArrayBufferWriter<byte>();
        AgentText.WriteString(Encoding.UTF8.GetBytes(text), output);
        using var parsed = JsonDocument.Parse(output.WrittenMemory);
        Assert.Equal(text, parsed.RootElement.GetString());
    }

    [Theory]
    [InlineData("""{"a":"\ud83d"}""", """{"a":"\ufffd"}""")]
    [InlineData("""{"a":"\ud83d\ude00"}""", """{"a":"\ud83d\ude00"}""")]
    [InlineData("""{"a":"\ude00\ud83dx"}""", """{"a":"\ufffd\ufffdx"}""")]
    [InlineData("""{"a":"\\ud83d \u0041\uD83D\uDE00"}""", """{"a":"\\ud83d \u0041\uD83D\uDE00"}""")]
    public void Half_surrogate_pairs_are_mended(string json, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        AgentText.MendSurrogates(bytes);
        Assert.Equal(expected, Encoding.UTF8.GetString(bytes));
    }

    [Theory]
    [InlineData("""{"a":1}""", true)]
    [InlineData("[]", true)]
    [InlineData("""{"a":1}x""", false)]
    [InlineData("""{"a":1""", false)]
    [InlineData("12", false)]
    [InlineData("\"text\"", false)]
    [InlineData("", false)]
    public void Only_a_whole_object_or_array_is_json(string line, bool expected)
    {
        Assert.Equal(expected, AgentText.IsJson(Encoding.UTF8.GetBytes(line)));
    }

    [Fact]
    public void Json_nested_deeper_than_readers_follow_is_text()
    {
        var deep = string.Concat(Enumerable.Repeat("[", 400)) + string.Concat(Enumerable.Repeat("]", 400));
        Assert.True(AgentText.IsJson(Encoding.UTF8.GetBytes(deep)));
        Assert.False(AgentText.IsJson(Encoding.UTF8.GetBytes(new string('[', 200) + deep + new string(']', 200))));
    }

    private static string Sanitize(byte[] text) =>
        Encoding.UTF8.GetString(AgentText.Sanitize(text, new ArrayBufferWriter<byte>()));
}
