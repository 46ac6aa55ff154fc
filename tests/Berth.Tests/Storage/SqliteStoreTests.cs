using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Protocol;
using Berth.Tests.Runs;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.Tests.Storage;

/// <summary>A SQLite file for a test.</summary>
internal sealed class SqliteFile : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-store-").FullName;

    public Database Open() => Database.Open(PathOf("berth.db"), connectionString: null);

    public string PathOf(string name) => Path.Combine(folder, name);

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }
}

public sealed class SqliteRunStoreTests : RunStoreConformance, IDisposable
{
    private readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    private protected override Database Open() => file.Open();
}

public sealed class SqliteTokenStoreTests : TokenStoreConformance, IDisposable
{
    private readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    private protected override Database Open() => file.Open();
}

public sealed class SqliteWebhookStoreTests : WebhookStoreConformance, IDisposable
{
    private readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    private protected override Database Open() => file.Open();
}

public sealed class SqliteSpendingStoreTests : SpendingStoreConformance, IDisposable
{
    private readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    private protected override Database Open() => file.Open();
}

public sealed class SqliteDatabaseTests : IDisposable
{
    private readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    [Fact]
    public void A_database_of_a_newer_Berth_is_refused_and_left_alone()
    {
        using (var connection = new SqliteConnection($"Data Source={file.PathOf("newer.db")}"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "pragma user_version = 999";
            command.ExecuteNonQuery();
        }

        var refused = Assert.Throws<FailureException>(() => Database.Open(file.PathOf("newer.db"), null));
        Assert.Equal("database_newer", refused.Failure.Code);
    }

    [Fact]
    public void A_database_of_an_older_Berth_is_brought_up_to_date_and_its_runs_are_this_homes()
    {
        using (var connection = new SqliteConnection($"Data Source={file.PathOf("older.db")}"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = SqliteMigrations.All[0] + SqliteMigrations.All[1] + """
                ; insert into runs (id, state, workflow, mode, repository, created_at, plan, progress)
                values ('a1', 'running', 'fix', 'local', '/r', '2026-05-04T12:00:00.0000000Z', $plan, '{}');
                pragma user_version = 2;
                """;
            command.Parameters.AddWithValue("$plan", JsonSerializer.Serialize(
                Plans.Any() with { Ticket = new RunTicket(ViaServer: true, "ada") }, RunJson.Default.RunPlan));
            command.ExecuteNonQuery();
        }

        var runs = new RunStore(Database.Open(file.PathOf("older.db"), null), HomeName.Alone, TimeProvider.System);

        Assert.Equal("a1", Assert.Single(runs.ListOpen()).Id);
        Assert.Equal("a1", Assert.Single(runs.List(new RunFilter { Owner = "ada" })).Id);
        Assert.True(runs.Move("a1", RunState.Running, RunState.Stopping));
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused_with_its_path()
    {
        File.WriteAllText(file.PathOf("broken.db"), new string('x', 4096));
        var refused = Assert.Throws<FailureException>(() => Database.Open(file.PathOf("broken.db"), null));

        Assert.Equal("database_unusable", refused.Failure.Code);
        Assert.Contains("broken.db", refused.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_processes_may_open_a_new_database_at_once()
    {
        Parallel.For(0, 8, _ => Database.Open(file.PathOf("fresh.db"), null));
        var fresh = new RunStore(Database.Open(file.PathOf("fresh.db"), null), "here", TimeProvider.System);
        fresh.Insert("a1", Plans.Any());

        Assert.NotNull(fresh.Find("a1"));
    }

}
