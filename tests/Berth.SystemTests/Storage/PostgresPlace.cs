using System.Security.Cryptography;
using Npgsql;

namespace Berth.SystemTests.Storage;

/// <summary>A database of its own for a test, in the PostgreSQL of the tests.</summary>
internal sealed class PostgresPlace : IDisposable
{
    private readonly string name = $"berth_test_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";
    private readonly string server = SystemTestEnvironment.Postgres;

    public PostgresPlace() => Execute(server, $"create database {name}");

    /// <summary>How it is reached.</summary>
    public string ConnectionString => new NpgsqlConnectionStringBuilder(server)
    {
        Database = name,
        Pooling = true,
    }.ConnectionString;

    /// <summary>The settings of a server that uses it, where there is one, and others.</summary>
    public static (string Name, string Value)[] SettingsOf(
        PostgresPlace? place, params IEnumerable<(string Name, string Value)> others) =>
        place is null ? [.. others] : [("BERTH_DATABASE", place.ConnectionString), .. others];

    /// <summary>Says something to it.</summary>
    /// <returns>What it answers with, or null.</returns>
    public object? Execute(string sql) => Execute(ConnectionString, sql);

    public void Dispose() => Execute(server, $"drop database {name} with (force)");

    private static object? Execute(string connectionString, string sql)
    {
        using var source = NpgsqlDataSource.Create(connectionString);
        using var command = source.CreateCommand(sql);
        return command.ExecuteScalar();
    }
}
