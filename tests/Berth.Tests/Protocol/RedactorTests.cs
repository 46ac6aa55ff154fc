using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Protocol;

/// <summary>FAULTS E 39: secrets in every form, cut at every byte.</summary>
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

    [Theory]
    [InlineData("  padded-secret\n", "padded-secret")]
    [InlineData("p@ss word/ü", "p%40ss%20word%2F%C3%BC")]
    [InlineData("p@ss word/ü", "p%40ss%20word%2f%c3%bc")]
    [InlineData("p@ss word/ü", "p%40ss+word%2F%C3%BC")]
    [InlineData("p@ss word/ü", "p%40ss%20word/%C3%BC")]
    [InlineData("p@ss word/ü", "p@ss%20word/%C3%BC")]
    [InlineData("it's $5 \"x\"", """'it'\''s $5 "x"'""", "'***'")]
    [InlineData("it's $5 \"x\"", """ 'it'"'"'s $5 "x"' """, " '***' ")]
    [InlineData("it's $5 \"x\"", "\"it's \\$5 \\\"x\\\"\"", "\"***\"")]
    [InlineData("it's $5 \"x\"", "it\\'s\\ \\$5\\ \\\"x\\\"")]
    [InlineData("sécret", "73c3a9637265,74", "73c3a9637265,74")]
    [InlineData("sécret", "73c3a963726574")]
    [InlineData("sécret", "73:C3:A9:63:72:65:74")]
    [InlineData("sécret", "73 c3 a9 63 72 65 74")]
    public void A_secret_is_redacted_in_each_way_that_programs_write_it(
        string secret, string text, string expected = "***")
    {
        Assert.Equal(expected, new Redactor([secret]).Redact(text));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Base64_is_redacted_wherever_in_it_the_secret_begins(int offset)
    {
        const string Secret = "hunter2~~>>??hunter2";
        var redactor = new Redactor([Secret]);
        foreach (var after in new[] { "", "\n", "xx", "xyz" })
        {
            var text = Convert.ToBase64String(Encoding.UTF8.GetBytes(new string('A', offset) + Secret + after));
            foreach (var written in new[] { text, text.Replace('+', '-').Replace('/', '_'), text.TrimEnd('=') })
            {
                var redacted = redactor.Redact(written);

                Assert.Contains("***", redacted, StringComparison.Ordinal);
                Assert.True(redacted.Length <= 13, redacted);
                Assert.Equal($$"""{"a":"{{redacted}}"}""", Line(redactor, JsonSerializer.Serialize(
                    new Dictionary<string, string>(StringComparer.Ordinal) { ["a"] = written })));
            }
        }
    }

    [Theory]
    [InlineData("key sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaaa.", "key ***.")]
    [InlineData("ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "***")]
    [InlineData("ghp_short", "ghp_short")]
    [InlineData("xghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "xghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("AKIAIOSFODNN7EXAMPLE", "***")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA\n-----END",
        "-----BEGIN ***-----END")]
    public void What_looks_like_a_well_known_token_is_redacted(string text, string expected)
    {
        Assert.Equal(expected, new Redactor([]).Redact(text));
        Assert.Equal(
            Line(new Redactor([]), JsonSerializer.Serialize(text)).Contains("***", StringComparison.Ordinal),
            expected.Contains("***", StringComparison.Ordinal));
        Assert.Equal(text, Redactor.None.Redact(text));
    }

    [Fact]
    public void Secrets_that_touch_are_redacted_as_one()
    {
        Assert.Equal("x***y", new Redactor(["abcdef", "ghijkl"]).Redact("xabcdefghijkly"));
    }

    [Fact]
    public void It_finds_what_a_search_for_each_form_at_each_place_finds_at_every_split()
    {
        // Few letters, so that they overlap in every way.
        var secret = Letters(6, 9);
        var inputs =
            from secrets in Gen.Choose(1, 4).SelectMany(count => Gen.ListOf(secret, count))
            from parts in Gen.Choose(1, 4).SelectMany(count => Gen.ListOf(
                Gen.OneOf(
                    Letters(0, 11),
                    Gen.Elements(secrets.AsEnumerable()),
                    from before in Letters(0, 2)
                    from one in Gen.Elements(secrets.AsEnumerable())
                    select Convert.ToBase64String(Encoding.UTF8.GetBytes(before + one))),
                count))
            select (Secrets: secrets.ToList(), Text: string.Concat(parts));

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(400), Prop.ForAll(inputs.ToArbitrary(), input =>
        {
            var redactor = new Redactor(input.Secrets);
            var text = Encoding.UTF8.GetBytes(input.Text);
            var expected = Naive(input.Secrets, text);
            Assert.Equal(expected, Redacted(redactor, text));
            for (var split = 0; split <= text.Length; split++)
            {
                var cut = redactor.SafeCut(text.AsSpan(0, split));

                Assert.Equal(expected, (Redacted(redactor, text[..cut]) + Redacted(redactor, text[cut..]))
                    .Replace("******", "***", StringComparison.Ordinal));
            }
        }));
    }

    [Fact]
    public void A_text_of_nothing_but_beginnings_takes_no_longer_than_its_length()
    {
        var redactor = new Redactor([new string('a', 5000) + "b"]);
        var text = Encoding.UTF8.GetBytes(new string('a', 4_000_000));
        var began = Stopwatch.GetTimestamp();

        Assert.Equal(text.Length, redactor.Redact(text, new ArrayBufferWriter<byte>()).Length);

        // Looking from each place anew would be twenty thousand million steps.
        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(5), "It took longer.");
    }

    private static Gen<string> Letters(int least, int most) =>
        from count in Gen.Choose(least, most)
        from letters in Gen.ArrayOf(Gen.Elements('a', 'b'), count)
        select new string(letters);

    private static string Redacted(Redactor redactor, byte[] text) =>
        Encoding.UTF8.GetString(redactor.Redact(text, new ArrayBufferWriter<byte>()));

    private static string Naive(IEnumerable<string> secrets, byte[] text)
    {
        var hidden = new bool[text.Length];
        foreach (var form in secrets.SelectMany(secret => SecretForms.Of(secret, Redactor.ShortestValue)))
        {
            for (var at = 0; at + form.Length <= text.Length; at++)
            {
                if (text.AsSpan(at, form.Length).SequenceEqual(form))
                {
                    hidden.AsSpan(at, form.Length).Fill(true);
                }
            }
        }

        var shown = new StringBuilder();
        for (var at = 0; at < text.Length; at++)
        {
            _ = !hidden[at] ? shown.Append((char)text[at])
                : at == 0 || !hidden[at - 1] ? shown.Append("***")
                : shown;
        }

        return shown.ToString();
    }

    private static string Line(Redactor redactor, string line) =>
        Encoding.UTF8.GetString(redactor.RedactLine(Encoding.UTF8.GetBytes(line), new ArrayBufferWriter<byte>()));
}
