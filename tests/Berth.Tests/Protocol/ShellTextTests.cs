using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Protocol;

public sealed class ShellTextTests
{
    [Theory]
    [InlineData("berth/fix/7k3m", "berth/fix/7k3m")]
    [InlineData("it's", "'it'\\''s'")]
    [InlineData("a b", "'a b'")]
    [InlineData("$(id)", "'$(id)'")]
    [InlineData("a;b", "'a;b'")]
    [InlineData("", "''")]
    [InlineData("~x", "'~x'")]
    [InlineData("ü", "'ü'")]
    public void F85_A_word_is_quoted_where_a_shell_would_read_something_else(string word, string typed) =>
        Assert.Equal(typed, ShellText.Quoted(word));
}
