using System.Data.Common;

namespace Berth.Engine.Storage;

/// <summary>Where runs, tokens and all else that is filtered or raced for is kept: a file of one home, or a PostgreSQL
/// that several servers share.</summary>
/// <remarks>
/// SQL is the same for both, with parameters as <c>@name</c>; what differs is in the two classes, and in their
/// migrations. Text is compared byte by byte in both, and times are text that sorts as they do. What a run said is not
/// in here but in its journal.
/// </remarks>
internal abstract class Database
{
    /// <summary>Whether other homes use it too.</summary>
    public abstract bool IsShared { get; }

    /// <summary>Opens a connection. Dispose it soon.</summary>
    public abstract DbConnection Connect();

    /// <summary>Begins a transaction that no other one of this kind overlaps with: what it counts stays
    /// true.</summary>
    public abstract DbTransaction BeginAlone(DbConnection connection);

    /// <summary>Whether a statement failed because a row of its key is there already.</summary>
    public abstract bool IsDuplicate(DbException failed);

    /// <summary>Opens the database that the settings name, and brings it up to date.</summary>
    /// <param name="file">The home's own, used where there is no other.</param>
    /// <param name="connectionString">How PostgreSQL is reached, or null.</param>
    /// <exception cref="Berth.Protocol.FailureException"><c>database_newer</c>, <c>database_unusable</c>.</exception>
    public static Database Open(string file, string? connectionString) => connectionString is null
        ? SqliteDatabase.Open(file)
        : PostgresDatabase.Open(connectionString);

    /// <summary>Changes rows.</summary>
    /// <returns>How many.</returns>
    public int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var connection = Connect();
        return Execute(connection, sql, values);
    }

    /// <summary>Changes rows, on a connection that has a transaction.</summary>
    /// <returns>How many.</returns>
    public static int Execute(
        DbConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var command = Command(connection, sql, values);
        return command.ExecuteNonQuery();
    }

    /// <summary>Reads rows.</summary>
    public List<T> Query<T>(
        string sql, Func<DbDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var connection = Connect();
        return Query(connection, sql, read, values);
    }

    /// <summary>Reads rows, on a connection that has a transaction.</summary>
    public static List<T> Query<T>(
        DbConnection connection, string sql, Func<DbDataReader, T> read,
        params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var command = Command(connection, sql, values);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    private static DbCommand Command(
        DbConnection connection, string sql, ReadOnlySpan<(string Name, object? Value)> values)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in values)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value ?? DBNull.Value;
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
