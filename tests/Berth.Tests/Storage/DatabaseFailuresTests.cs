using System.Data.Common;
using Berth.Engine.Storage;
using Berth.Protocol;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.Tests.Storage;

public sealed class DatabaseFailuresTests
{
    [Theory]
    [InlineData(5, "database_busy", Fault.Nobody)]
    [InlineData(6, "database_busy", Fault.Nobody)]
    [InlineData(8, "database_read_only", Fault.Operator)]
    [InlineData(10, "database_unusable", Fault.Operator)]
    [InlineData(11, "database_corrupt", Fault.Operator)]
    [InlineData(13, "database_full", Fault.Operator)]
    [InlineData(14, "database_unusable", Fault.Operator)]
    [InlineData(26, "database_corrupt", Fault.Operator)]
    public void What_SQLite_says_has_its_name(int result, string code, Fault fault)
    {
        var failure = DatabaseFailures.Of(new SqliteException("as it says it", result));

        Assert.Equal((code, fault), (failure.Code, failure.Fault));
    }

    [Theory]
    [InlineData("55P03", "database_busy")]
    [InlineData("25006", "database_read_only")]
    [InlineData("53100", "database_full")]
    [InlineData("XX001", "database_corrupt")]
    [InlineData("42601", "database_unusable")]
    [InlineData(null, "database_unusable")]
    public void What_a_server_says_has_its_name(string? state, string code) =>
        Assert.Equal(code, DatabaseFailures.Of(new Said(state)).Code);

    [Fact]
    public void Only_who_may_know_the_place_is_told_it_with_the_words()
    {
        var error = new SqliteException("database is locked", 5);

        Assert.DoesNotContain("locked", DatabaseFailures.Of(error).Message, StringComparison.Ordinal);
        Assert.Contains(
            "/home/you/berth.db: database is locked",
            DatabaseFailures.Of(error, "/home/you/berth.db").Message,
            StringComparison.Ordinal);
    }

    private sealed class Said(string? state) : DbException("as it says it")
    {
        public override string? SqlState => state;
    }
}
