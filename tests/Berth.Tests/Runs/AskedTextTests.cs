using System.Text;
using Berth.Engine;
using Xunit;

namespace Berth.Tests.Runs;

/// <summary>Fault 67: what a run was asked is shown, and no secret with it.</summary>
public sealed class AskedTextTests
{
    private const string Secret = "hunter2-hunter2-hunter2";

    [Theory]
    [InlineData("  Mend it.\nAll of it.", "Mend it.")]
    [InlineData("\r\n\r\nMend it.\r\nNow.", "Mend it.")]
    [InlineData("a\u001b[2Jb", "a[2Jb")]
    public void F67_The_title_is_the_first_line(string prompt, string title) =>
        Assert.Equal(title, AskedText.Of(prompt, []).Title);

    [Fact]
    public void F67_A_long_prompt_is_cut_between_characters()
    {
        var asked = AskedText.Of(new string('a', 70) + string.Concat(Enumerable.Repeat("🚢", 100_000)), []);

        Assert.True(asked.Title.Length <= 72);
        Assert.EndsWith("a…", asked.Title, StringComparison.Ordinal);
        Assert.InRange(Encoding.UTF8.GetByteCount(asked.Message), AskedText.MostBytes - 4, AskedText.MostBytes);
        Assert.DoesNotContain('\ufffd', Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(asked.Message)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(60)]
    [InlineData(4080)]
    public void F67_A_secret_is_redacted_before_the_cut(int before)
    {
        var asked = AskedText.Of(new string('x', before) + Secret + new string('y', 5000), [Secret]);

        Assert.DoesNotContain("hunter2", asked.Title + asked.Message, StringComparison.Ordinal);
    }
}
