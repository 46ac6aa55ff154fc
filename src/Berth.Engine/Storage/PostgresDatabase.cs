using System.Data.Common;
using System.Globalization;
using Berth.Protocol;
using Npgsql;

namespace Berth.Engine.Storage;

/// <summary>A PostgreSQL that several servers may share: opens connections and brings the schema up to date.</summary>
/// <remarks>
/// Transactions see what was committed before each of their statements (read committed), so a choice and the change
/// that rests on it are one statement, or stand behind the one lock of <see cref="BeginAlone"/>.
/// </remarks>
internal sealed class PostgresDatabase : Database
{
    // A server asks in short statements; a hundred connections are all that a fresh PostgreSQL has for everybody.
    private const int MostConnections = 20;
    private const int ConnectTimeoutSeconds = 10;
    private const int StatementTimeoutSeconds = 30;

    // "berth" in ASCII: the advisory lock of those that must be alone.
    private const string Lock = "421990330472";
    private readonly NpgsqlDataSource source;
    private readonly string place;

    private PostgresDatabase(NpgsqlConnectionStringBuilder connection)
    {
        place = $"{connection.Database ?? connection.Username} at {connection.Host}";
        var builder = new NpgsqlSlimDataSourceBuilder(connection.ConnectionString);
        builder.EnableTransportSecurity();
        source = builder.Build();
    }

    public override bool IsShared => true;

    /// <summary>Opens the database and migrates it.</summary>
    /// <exception cref="FailureException"><c>database_newer</c>, <c>database_unusable</c>.</exception>
    public static PostgresDatabase Open(string connectionString)
    {
        var database = new PostgresDatabase(Complete(new NpgsqlConnectionStringBuilder(connectionString)));
        try
        {
            database.Migrate();
            return database;
        }
        catch (NpgsqlException error)
        {
            throw new FailureException(
                "database_unusable",
                $"The PostgreSQL database {database.place} cannot be used: {error.Message}",
                "Check BERTH_DATABASE, that the server answers, and that the user may create tables.",
                Fault.Operator,
                error);
        }
    }

    /// <summary>Whether a text says how to reach a database.</summary>
    public static bool IsConnectionString(string text)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(text).Host is { Length: > 0 };
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    public override DbConnection Connect() => source.OpenConnection();

    public override DbTransaction BeginAlone(DbConnection connection)
    {
        var transaction = connection.BeginTransaction();
        Execute(connection, $"select pg_advisory_xact_lock({Lock})");
        return transaction;
    }

    public override bool IsDuplicate(DbException failed) => failed.SqlState is PostgresErrorCodes.UniqueViolation;

    private static NpgsqlConnectionStringBuilder Complete(NpgsqlConnectionStringBuilder connection)
    {
        if (!connection.ContainsKey("Maximum Pool Size"))
        {
            connection.MaxPoolSize = MostConnections;
        }

        connection.ApplicationName ??= "berth";
        connection.Timeout = ConnectTimeoutSeconds;
        connection.CommandTimeout = StatementTimeoutSeconds;
        return connection;
    }

    private void Migrate()
    {
        using var connection = source.OpenConnection();
        using var transaction = BeginAlone(connection);
        Execute(connection, "create table if not exists berth_schema (version integer not null)");
        var version = VersionOf(connection);
        if (version > PostgresMigrations.All.Count)
        {
            throw new FailureException(
                "database_newer",
                $"The database {place} has schema {version}; this Berth knows up to {PostgresMigrations.All.Count}.",
                "Use the newer Berth that wrote it, or another database.",
                Fault.Operator);
        }

        foreach (var step in PostgresMigrations.All.Skip(version))
        {
            Execute(connection, step);
        }

        if (version < PostgresMigrations.All.Count)
        {
            Execute(connection, "delete from berth_schema");
            Execute(
                connection, "insert into berth_schema (version) values (@version)",
                ("version", PostgresMigrations.All.Count));
        }

        transaction.Commit();
    }

    private static int VersionOf(NpgsqlConnection connection)
    {
        using var query = connection.CreateCommand();
        query.CommandText = "select coalesce(max(version), 0) from berth_schema";
        return Convert.ToInt32(query.ExecuteScalar(), CultureInfo.InvariantCulture);
    }
}
