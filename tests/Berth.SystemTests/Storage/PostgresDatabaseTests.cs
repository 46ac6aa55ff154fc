using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Protocol;
using Berth.Tests.Runs;
using Berth.Tests.Storage;
using Npgsql;
using Xunit;

namespace Berth.SystemTests.Storage;

public sealed class PostgresRunStoreTests : RunStoreConformance, IDisposable
{
    private readonly PostgresPlace place = new();

    public void Dispose() => place.Dispose();

    private protected override Database Open() => Database.Open(string.Empty, place.ConnectionString);
}

public sealed class PostgresTokenStoreTests : TokenStoreConformance, IDisposable
{
    private readonly PostgresPlace place = new();

    public void Dispose() => place.Dispose();

    private protected override Database Open() => Database.Open(string.Empty, place.ConnectionString);
}

public sealed class PostgresWebhookStoreTests : WebhookStoreConformance, IDisposable
{
    private readonly PostgresPlace place = new();

    public void Dispose() => place.Dispose();

    private protected override Database Open() => Database.Open(string.Empty, place.ConnectionString);
}

public sealed class PostgresSpendingStoreTests : SpendingStoreConformance, IDisposable
{
    private readonly PostgresPlace place = new();

    public void Dispose() => place.Dispose();

    private protected override Database Open() => Database.Open(string.Empty, place.ConnectionString);
}

public sealed class PostgresDatabaseTests
{
    [Fact]
    public void A_database_of_a_newer_Berth_is_refused_and_left_alone()
    {
        using var place = new PostgresPlace();
        place.Execute("create table berth_schema (version integer not null); insert into berth_schema values (999)");

        var refused = Assert.Throws<FailureException>(() => Database.Open(string.Empty, place.ConnectionString));

        Assert.Equal("database_newer", refused.Failure.Code);
        Assert.Contains("schema 999", refused.Failure.Message, StringComparison.Ordinal);
        Assert.Equal(0L, place.Execute("select count(*) from pg_tables where tablename = 'runs'"));
    }

    [Fact]
    public void Many_servers_may_open_a_new_database_at_once()
    {
        using var place = new PostgresPlace();
        Parallel.For(0, 8, _ => Database.Open(string.Empty, place.ConnectionString));
        var fresh = new RunStore(Database.Open(string.Empty, place.ConnectionString), "here", TimeProvider.System);
        fresh.Insert("a1", Plans.Any());

        Assert.NotNull(fresh.Find("a1"));
    }

    [Theory]
    [InlineData("Host=/nowhere/at/all;Username=berth;Password=not-to-be-seen")]
    [InlineData("Host=127.0.0.1;Port=1;Username=berth;Password=not-to-be-seen")]
    public void A_server_that_does_not_answer_is_named_and_its_password_is_not(string connectionString)
    {
        var refused = Assert.Throws<FailureException>(() => Database.Open(string.Empty, connectionString));

        Assert.Equal("database_unusable", refused.Failure.Code);
        Assert.Contains(
            new NpgsqlConnectionStringBuilder(connectionString).Host!,
            refused.Failure.Message,
            StringComparison.Ordinal);
        Assert.DoesNotContain("not-to-be-seen", refused.ToString(), StringComparison.Ordinal);
    }
}
