using System.Globalization;
using Berth.SystemTests.EndToEnd;
using Microsoft.Data.Sqlite;

namespace Berth.SystemTests.Server;

/// <summary>All that a server keeps, so that a test can say that nothing of it has changed.</summary>
internal static class ServerState
{
    /// <summary>How many rows each table has, and each file of the home with its length.</summary>
    public static IReadOnlyList<string> Of(ServerHome server)
    {
        var state = new List<string>();
        using var connection = new SqliteConnection(
            $"Data Source={Path.Combine(server.Home.Home, "berth.db")};Mode=ReadOnly");
        connection.Open();
        foreach (var table in Column(connection, "select name from sqlite_schema where type = 'table' order by name"))
        {
            state.Add($"{table}: {Column(connection, $"select count(*) from {table}")[0]}");
        }

        // The database's own files grow by being looked at.
        state.AddRange(new DirectoryInfo(server.Home.Home).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(entry => !entry.Name.StartsWith("berth.db", StringComparison.Ordinal))
            .Select(entry => string.Create(
                CultureInfo.InvariantCulture, $"{entry.FullName} {(entry as FileInfo)?.Length}"))
            .Order(StringComparer.Ordinal));
        return state;
    }

    /// <summary>The audit table: who, what, of what, from where.</summary>
    public static IReadOnlyList<string> Audit(ServerHome server)
    {
        using var connection = new SqliteConnection(
            $"Data Source={Path.Combine(server.Home.Home, "berth.db")};Mode=ReadOnly");
        connection.Open();
        return Column(
            connection,
            "select who || ' ' || action || ' ' || coalesce(run_id, '') || ' ' || address from audit order by at");
    }

    /// <summary>Lets all runs have ended earlier than they did.</summary>
    public static void MakeOlder(BerthHome home, TimeSpan by)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(home.Home, "berth.db")}");
        connection.Open();
        foreach (var id in Column(connection, "select id from runs"))
        {
            using var ended = connection.CreateCommand();
            ended.CommandText = "select finished_at from runs where id = @id";
            ended.Parameters.AddWithValue("@id", id);
            var text = (string)ended.ExecuteScalar()!;
            var format = text.EndsWith('Z') ? "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'" : "O";
            var earlier = DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToUniversalTime() - by;
            using var update = connection.CreateCommand();
            update.CommandText = "update runs set finished_at = @at where id = @id";
            update.Parameters.AddWithValue("@id", id);
            update.Parameters.AddWithValue("@at", earlier.ToString(format, CultureInfo.InvariantCulture));
            update.ExecuteNonQuery();
        }
    }

    private static List<string> Column(SqliteConnection connection, string sql)
    {
        using var query = connection.CreateCommand();
        query.CommandText = sql;
        using var row = query.ExecuteReader();
        var values = new List<string>();
        while (row.Read())
        {
            values.Add(Convert.ToString(row.GetValue(0), CultureInfo.InvariantCulture)!);
        }

        return values;
    }
}
