using System.Data.Common;
using System.Globalization;
using Berth.Protocol;
using Microsoft.Data.Sqlite;

namespace Berth.Engine.Storage;

/// <summary>The SQLite file of one home: opens connections and brings the schema up to date.</summary>
/// <remarks>
/// Several processes use the file at once, so it is in WAL mode and every writer waits for its turn, at most
/// <see cref="BusyTimeoutSeconds"/>.
/// </remarks>
internal sealed class SqliteDatabase : Database
{
    private const int BusyTimeoutSeconds = 30;
    private const int Constraint = 19;

    // Without a timeout of SQLite's own the library looks every 150 ms whether it is its turn; SQLite begins with 1 ms.
    private static readonly string Settings = string.Create(
        CultureInfo.InvariantCulture,
        $"pragma busy_timeout = {BusyTimeoutSeconds * 1000}; pragma synchronous = normal; pragma foreign_keys = on;");

    private readonly string path;
    private readonly string connectionString;

    private SqliteDatabase(string path)
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

    public override bool IsShared => false;

    /// <summary>Opens the file, makes it where there is none, and migrates it.</summary>
    /// <exception cref="FailureException"><c>database_newer</c>, <c>database_unusable</c>.</exception>
    public static SqliteDatabase Open(string path)
    {
        var database = new SqliteDatabase(path);
        var room = new DatabaseRoom(path);
        try
        {
            try
            {
                database.Migrate();
            }
            catch (SqliteException error) when (room.IsLacking(error) && room.GiveBack())
            {
                database.Migrate();
            }

            room.Take();
            return database;
        }
        catch (SqliteException error) when (room.IsLacking(error))
        {
            var full = DatabaseFailures.IsFull;
            throw new FailureException(full with { Message = $"{full.Message} {path}: {error.Message}" }, error);
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

    public override DbConnection Connect() => ConnectToFile();

    // Immediate: a writer from its beginning, so that it waits for its turn there and never fails in the middle.
    public override DbTransaction BeginAlone(DbConnection connection) =>
        ((SqliteConnection)connection).BeginTransaction(deferred: false);

    public override bool IsDuplicate(DbException failed) => failed is SqliteException { SqliteErrorCode: Constraint };

    private SqliteConnection ConnectToFile()
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        Execute(connection, Settings);
        return connection;
    }

    private void Migrate()
    {
        using var connection = ConnectToFile();
        if (VersionOf(connection) == SqliteMigrations.All.Count)
        {
            return;
        }

        Execute(connection, "pragma journal_mode = wal");

        // Of several processes that find an old schema one migrates and the others wait, then look again.
        using var transaction = BeginAlone(connection);
        var version = VersionOf(connection);
        if (version > SqliteMigrations.All.Count)
        {
            throw new FailureException(
                "database_newer",
                $"The database {path} has schema {version}; this Berth knows up to {SqliteMigrations.All.Count}.",
                "Use the newer Berth that wrote it, or set BERTH_HOME to another folder.",
                Fault.Operator);
        }

        for (; version < SqliteMigrations.All.Count; version++)
        {
            var next = (version + 1).ToString(CultureInfo.InvariantCulture);
            Execute(connection, SqliteMigrations.All[version] + "; pragma user_version = " + next);
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
