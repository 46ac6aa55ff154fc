using System.Buffers;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Protocol;

public sealed class RedactorTests
{
    [Theory]
    [InlineData("p@ss\"word/x", """{"a":"p@ss\"word/x"}""")]
    [InlineData("p@ss\"word/x", """{"a":"p@ss\"word\/x"}""")]
    [InlineData("p@ss\"word+x", """{"a":"p@ss\u0022word\u002Bx"}""")]
    [InlineData("p@ss\"word+x", """{"a":"p@ss\u0022word\u002bx"}""")]
    [InlineData("schlüssel", """{"a":"schl\u00fcssel"}""")]
    [InlineData("schlüssel", """{"a":"schl\u00FCssel"}""")]
    [InlineData("schlüssel", """{"a":"schlüssel"}""")]
    [InlineData("back\\slash", """{"a":"back\\slash"}""")]
    [InlineData("back\\slash", """{"a":"back\\\\slash"}""")]
    [InlineData("first line\nsecond", """{"a":"first line\nsecond"}""")]
    [InlineData("first line\r\nsecond line", """{"a":"second line"}""", """{"a":"***"}""")]
    public void A_secret_is_redacted_in_each_way_that_json_writes_it(
        string secret, string line, string expected = """{"a":"***"}""")
    {
        Assert.Equal(expected, Line(new Redactor([secret]), line));
    }

    [Fact]
    public void Values_under_six_characters_are_left_alone()
    {
        Assert.Equal("abc12 and more", Line(new Redactor(["abc12", "", "      "]), "abc12 and more"));
        Assert.Equal(0, new Redactor(["12345"]).Longest);
    }

    [Fact]
    public void Secrets_that_overlap_are_redacted_as_one()
    {
        Assert.Equal("x***y", Line(new Redactor(["abcdef", "defghi"]), "xabcdefghiy"));
        Assert.Equal("x***y", Line(new Redactor(["ababab"]), "xababababy"));
    }

    [Theory]
    [InlineData("123456", """{"n":123456,"a":[123456]}""", """{"n":"***","a":["***"]}""")]
    [InlineData("nabcdef", """{"a":"x\nabcdef"}""", """{"a":"x***"}""")]
    [InlineData("abcdef\\", """{"a":"abcdef\"x"}""", """{"a":"***x"}""")]
    [InlineData("result", """{"type":"result","result":"a result"}""", """{"type":"result","result":"a ***"}""")]
    public void Json_stays_json_and_an_event_keeps_its_own_words(string secret, string line, string expected)
    {
        Assert.Equal(expected, Line(new Redactor([secret]), line));
        using var parsed = JsonDocument.Parse(expected);
    }

    [Fact]
    public void A_secret_that_is_itself_json_is_redacted_at_the_cost_of_the_json()
    {
        Assert.Equal("***", Line(new Redactor(["""{"key":"v","id":1}"""]), """{"key":"v","id":1}"""));
    }

    [Fact]
    public void A_cut_never_goes_through_a_secret_or_a_character()
    {
        const string Secret = "sécrèt-value";
        var redactor = new Redactor([Secret]);
        var text = Encoding.UTF8.GetBytes($"aaaa{Secret}bbbb{Secret}ccccccccccccccccccccccccccccccccé");
        for (var length = 1; length <= text.Length; length++)
        {
            var cut = redactor.SafeCut(text.AsSpan(0, length));
            var scratch = new ArrayBufferWriter<byte>();
            var first = Encoding.UTF8.GetString(redactor.Redact(text.AsSpan(0, cut), scratch));
            var second = Encoding.UTF8.GetString(redactor.Redact(text.AsSpan(cut), scratch));
            Assert.Equal("aaaa***bbbb***ccccccccccccccccccccccccccccccccé", first + second);
        }
    }

    [Fact]
    public void Plain_text_is_redacted_as_a_string()
    {
        Assert.Equal("fatal: *** is wrong", new Redactor(["hunter2hunter2"]).Redact("fatal: hunter2hunter2 is wrong"));
        Assert.Equal("nothing here", Redactor.None.Redact("nothing here"));
    }

    private static string Line(Redactor redactor, string line) =>
        Encoding.UTF8.GetString(redactor.RedactLine(Encoding.UTF8.GetBytes(line), new ArrayBufferWriter<byte>()));
}
