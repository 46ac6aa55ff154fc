using Berth.Engine.Access;
using Berth.Engine.Storage;
using Berth.Protocol;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.Tests.Server;

public sealed class TokenStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-tokens-").FullName;
    private readonly TokenStore tokens;

    public TokenStoreTests() =>
        tokens = new TokenStore(Database.Open(Path.Combine(folder, "berth.db")), TimeProvider.System);

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_token_is_its_owners_until_it_is_revoked()
    {
        var made = tokens.Create("ci", Role.Operator);

        Assert.Equal(new Caller("ci", Role.Operator), tokens.Find(made.Token));
        Assert.Equal("ci", Assert.Single(tokens.List()).Name);
        tokens.Revoke("ci");
        Assert.Null(tokens.Find(made.Token));
        Assert.Empty(tokens.List());
        Assert.Equal("token_not_found", Code(() => tokens.Revoke("ci")));
        Assert.Equal("token_exists", Code(() => tokens.Create("ci", Role.Viewer)));
    }

    [Fact]
    public void What_is_almost_a_token_is_nobodys()
    {
        var good = tokens.Create("ci", Role.Viewer).Token;
        var other = good[^1] == '0' ? '1' : '0';
        foreach (var wrong in new[]
        {
            "", "berth_", good[..^1], good + "0", good[..^1] + other, good.ToUpperInvariant(),
            "berth_" + good.Split('_')[1], "berth__", "berth_' or 1=1_" + good.Split('_')[2],
        })
        {
            Assert.Null(tokens.Find(wrong));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("\u001b[31m")]
    [InlineData("ä")]
    public void A_name_that_could_be_mistaken_is_refused(string name) =>
        Assert.Equal("token_name_invalid", Code(() => tokens.Create(name, Role.Admin)));

    private static string Code(Action act) => Assert.Throws<FailureException>(act).Failure.Code;
}
