using System.Globalization;
using Berth.Protocol;
using Microsoft.Data.Sqlite;

namespace Berth.Engine.Storage;

/// <summary>The SQLite file of one home: opens connections and brings the schema up to date.</summary>
/// <remarks>
/// Several processes use the file at once, so it is in WAL mode and every writer waits for its turn, at most
/// <see cref="BusyTimeoutSeconds"/>. What a run said is not in here but in its journal.
/// </remarks>
internal sealed class Database
{
    private const int BusyTimeoutSeconds = 30;
    private readonly string path;
    private readonly string connectionString;

    private Database(string path)
    {
        this.path = path;
        connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWriteCreate,
            DefaultTimeout = BusyTimeoutSeconds,
            Pooling = true,
        }.ToString();
    }

    /// <summary>Opens the file, makes it where there is none, and migrates it.</summary>
    /// <exception cref="FailureException"><c>database_newer</c>, <c>database_unusable</c>.</exception>
    public static Database Open(string path)
    {
        var database = new Database(path);
        try
        {
            database.Migrate();
            return database;
        }
        catch (SqliteException error)
        {
            throw new FailureException(
                "database_unusable",
                $"The database {path} cannot be used: {error.Message}",
                "Check that it is writable and the disk not full; if it is corrupt, move it aside: journals are apart.",
                Fault.Operator,
                error);
        }
    }

    /// <summary>Opens a connection. Dispose it soon.</summary>
    public SqliteConnection Connect()
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        using var pragma = connection.CreateCommand();
        pragma.CommandText = "pragma synchronous = normal; pragma foreign_keys = on;";
        pragma.ExecuteNonQuery();
        return connection;
    }

    private void Migrate()
    {
        using var connection = Connect();
        if (VersionOf(connection) == Migrations.All.Count)
        {
            return;
        }

        using (var journal = connection.CreateCommand())
        {
            journal.CommandText = "pragma journal_mode = wal";
            journal.ExecuteNonQuery();
        }

        // Immediate: of several processes that find an old schema one migrates and the others wait, then look again.
        using var transaction = connection.BeginTransaction(deferred: false);
        var version = VersionOf(connection);
        if (version > Migrations.All.Count)
        {
            throw new FailureException(
                "database_newer",
                $"The database {path} has schema {version}; this Berth knows up to {Migrations.All.Count}.",
                "Use the newer Berth that wrote it, or set BERTH_HOME to another folder.",
                Fault.Operator);
        }

        for (; version < Migrations.All.Count; version++)
        {
            using var step = connection.CreateCommand();
            step.Transaction = transaction;
            var next = (version + 1).ToString(CultureInfo.InvariantCulture);
            step.CommandText = Migrations.All[version] + "; pragma user_version = " + next;
            step.ExecuteNonQuery();
        }

        transaction.Commit();
    }

    private static int VersionOf(SqliteConnection connection)
    {
        using var query = connection.CreateCommand();
        query.CommandText = "pragma user_version";
        return Convert.ToInt32(query.ExecuteScalar(), CultureInfo.InvariantCulture);
    }
}
