using System.Globalization;
using Berth.Engine.Claude;
using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Protocol;
using Berth.Tests.Runs;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.Tests.Tidy;

/// <summary>The queries of docs/MONITORING.md answer what they say, on a database as Berth makes it.</summary>
public sealed class MonitoringTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-monitoring-").FullName;

    [Fact]
    public void Every_query_of_the_document_finds_what_it_is_for()
    {
        var file = Path.Combine(folder, "berth.db");
        Fill(new RunStore(Database.Open(file, connectionString: null), HomeName.Alone, TimeProvider.System));
        using var connection = new SqliteConnection($"Data Source={file};Mode=ReadOnly;Pooling=False");
        connection.Open();
        var queries = SourceTree.Read("docs/MONITORING.md").Split("### ").Select(section => section.Split("```"))
            .Where(parts => parts.Length > 1 && parts[1].StartsWith("sql\n", StringComparison.Ordinal))
            .Select(parts => (Name: parts[0].Trim(), Sql: parts[1]["sql\n".Length..])).ToList();

        Assert.Equal(10, queries.Count);
        Assert.All(queries, query => Assert.True(Rows(connection, query.Sql).Count > 0, query.Name));
        Assert.Equal(
            ["docker|queued|1", "local|failed|1"], Rows(connection, queries[0].Sql), StringComparer.Ordinal);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    // Two runs have something of all that is asked for.
    private static void Fill(RunStore runs)
    {
        runs.Insert(RunId.New(TimeProvider.System), Plans.Any() with { Mode = "docker" });
        var id = RunId.New(TimeProvider.System);
        var run = runs.Insert(id, Plans.Any());
        runs.Move(id, RunState.Queued, RunState.Preparing);
        runs.SaveProgress(id, run.Progress with
        {
            Adoptions = 1,
            Leaked = ["/left"],
            Phases = new PhaseTimes { Prepare = 10, Start = 20 },
        });
        runs.Finish(id, new RunOutcome
        {
            State = RunState.Failed,
            Error = new Failure("out_of_memory", "It had too little.", "Give it more.", Fault.User),
            CostUsd = 0.5m,
            Tokens = new TokenCounts(5, 6, 0, 0),
            PermissionDenials = [new PermissionDenial("Bash", "1", null)],
        });
        runs.SetCleanup(id, CleanupState.Leaked);
    }

    private static List<string> Rows(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
        {
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(column =>
                Convert.ToString(reader.GetValue(column), CultureInfo.InvariantCulture))));
        }

        return rows;
    }
}
