namespace Berth.Engine.Storage;

/// <summary>The schema, as the steps that lead to it. A step that was released is never changed.</summary>
internal static class Migrations
{
    /// <summary>The steps; a database's version is how many of them it has.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        """
        create table runs (
            id text primary key,
            state text not null,
            workflow text not null,
            mode text not null,
            repository text not null,
            created_at text not null,
            started_at text,
            finished_at text,
            cancel integer not null default 0,
            cleanup text not null default 'pending',
            plan text not null,
            progress text not null,
            outcome text
        ) strict;
        create index runs_by_creation on runs (created_at desc, id desc);
        create index runs_by_state on runs (state, created_at);
        """,
    ];
}
