using Berth.Engine.Access;
using Berth.Engine.Storage;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Storage;

/// <summary>What the table of tokens promises, in whichever database it is.</summary>
public abstract class TokenStoreConformance
{
    private TokenStore? opened;

    private TokenStore Tokens => opened ??= new TokenStore(Open(), TimeProvider.System);

    /// <summary>The database of this test.</summary>
    private protected abstract Database Open();

    [Fact]
    public void A_token_is_its_owners_until_it_is_revoked()
    {
        var made = Tokens.Create("ci", Role.Operator);

        Assert.Equal(new Caller("ci", Role.Operator), Tokens.Find(made.Token));
        Assert.Equal("ci", Assert.Single(Tokens.List()).Name);
        Tokens.Revoke("ci");
        Assert.Null(Tokens.Find(made.Token));
        Assert.Empty(Tokens.List());
        Assert.Equal("token_not_found", Code(() => Tokens.Revoke("ci")));
        Assert.Equal("token_exists", Code(() => Tokens.Create("ci", Role.Viewer)));
    }

    [Fact]
    public void What_is_almost_a_token_is_nobodys()
    {
        var good = Tokens.Create("ci", Role.Viewer).Token;
        var other = good[^1] == '0' ? '1' : '0';
        foreach (var wrong in new[]
        {
            "", "berth_", good[..^1], good + "0", good[..^1] + other, good.ToUpperInvariant(),
            "berth_" + good.Split('_')[1], "berth__", "berth_' or 1=1_" + good.Split('_')[2],
        })
        {
            Assert.Null(Tokens.Find(wrong));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("\u001b[31m")]
    [InlineData("ä")]
    public void A_name_that_could_be_mistaken_is_refused(string name) =>
        Assert.Equal("token_name_invalid", Code(() => Tokens.Create(name, Role.Admin)));

    private static string Code(Action act) => Assert.Throws<FailureException>(act).Failure.Code;
}
