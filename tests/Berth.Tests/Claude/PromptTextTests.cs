using Berth.Engine.Claude;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Claude;

public sealed class PromptTextTests
{
    [Theory]
    [InlineData("")]
    [InlineData(" \t\r\n\u00a0\u3000")]
    [InlineData("\ufeff")]
    [InlineData("\ufeff\ufeff \n")]
    [InlineData("\u200b\u200c\u200d\u2060")]
    [InlineData("\u202e\u2066\u00ad")]
    [InlineData("\u0001\u001b\u007f\u0085")]
    [InlineData("\ufe0f\u034f")]
    [InlineData("\u3164\u115f\u2800")]
    [InlineData("\U000e0041")]
    [InlineData("\uffff")]
    public void F81_A_prompt_in_which_nothing_can_be_seen_is_empty(string text)
    {
        Assert.True(PromptText.IsBlank(text));
        var refused = Assert.Throws<FailureException>(() => ClaudeCommandLine.InputLine(text)).Failure;
        Assert.Equal(("prompt_empty", Fault.User), (refused.Code, refused.Fault));
        Assert.Throws<FailureException>(() => ClaudeCommandLine.UserLine(text, "id", "next"));
    }

    [Theory]
    [InlineData("\ufeffDo it.")]
    [InlineData(".")]
    [InlineData("é")]
    [InlineData("\ud83d\ude80")]
    [InlineData("日")]
    [InlineData("\ud800")]
    public void F81_Whatever_can_be_seen_is_a_prompt(string text) => Assert.False(PromptText.IsBlank(text));
}
