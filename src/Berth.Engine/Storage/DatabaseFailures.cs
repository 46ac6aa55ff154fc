using System.Data.Common;
using Berth.Protocol;
using Microsoft.Data.Sqlite;

namespace Berth.Engine.Storage;

/// <summary>What is wrong with a database, as failures that say what to do: the only place that decides.</summary>
/// <remarks>
/// Nothing of a run is lost by any of these: runs at work belong to their supervisors, which know no database, and what
/// their hosts could not record is recorded by the next ones.
/// </remarks>
internal static class DatabaseFailures
{
    // SQLite's result codes: https://www.sqlite.org/rescode.html
    private const int Busy = 5;
    private const int Locked = 6;
    private const int ReadOnly = 8;
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int NotADatabase = 26;

    /// <summary>What an error of the database means.</summary>
    /// <param name="error">What the database said. It is not repeated where no place is given: it may name what
    /// strangers need not know.</param>
    /// <param name="place">Where the database is, for whoever may know it.</param>
    public static Failure Of(DbException error, string? place = null)
    {
        var failure = error is SqliteException sqlite ? OfSqlite(sqlite.SqliteErrorCode) : OfServer(error.SqlState);
        return place is null ? failure : failure with { Message = $"{failure.Message} {place}: {error.Message}" };
    }

    private static Failure OfSqlite(int code) => code switch
    {
        Busy or Locked => IsBusy,
        ReadOnly => IsReadOnly,
        Full => IsFull,
        Corrupt or NotADatabase => IsCorrupt,
        _ => IsUnusable,
    };

    // PostgreSQL's classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
    private static Failure OfServer(string? state) => state switch
    {
        "40001" or "40P01" or "53300" or "55P03" or "57014" or "57P03" => IsBusy,
        "25006" => IsReadOnly,
        "53100" => IsFull,
        "XX001" or "XX002" => IsCorrupt,
        _ => IsUnusable,
    };

    private static Failure IsBusy { get; } = new(
        "database_busy",
        "Another program holds the database, and did not let go of it in time.",
        "Try again. If it stays so, see which program has it open: a backup, or a shell of sqlite3 or psql.",
        Fault.Nobody);

    private static Failure IsReadOnly { get; } = new(
        "database_read_only",
        "The database cannot be written.",
        "It must belong to the user that Berth runs as, with its folder; is its file system mounted read-only?",
        Fault.Operator);

    /// <summary>There is no room for it.</summary>
    public static Failure IsFull { get; } = new(
        "database_full",
        "There is no room to write the database.",
        "Free some space on its disk; berth cleanup --all removes what ended runs have left, and berth cancel --force "
        + "stops a run that fills it.",
        Fault.Operator);

    private static Failure IsCorrupt { get; } = new(
        "database_corrupt",
        "The database is damaged, or is none.",
        "Stop the server and put the backup in its place, as docs/operating.md says; journals are kept apart.",
        Fault.Operator);

    private static Failure IsUnusable { get; } = new(
        "database_unusable",
        "The database cannot be used.",
        "Is it there and in reach, and does its disk or its server work?",
        Fault.Operator);
}
