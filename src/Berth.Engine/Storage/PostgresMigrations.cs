namespace Berth.Engine.Storage;

/// <summary>How the schema in PostgreSQL came to be what it is. A step that was released is never edited: a new one
/// follows.</summary>
internal static class PostgresMigrations
{
    /// <summary>The steps; a database's version is how many of them it has. All text is compared byte by byte, as
    /// SQLite does.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        """
        create table runs (
            id text collate "C" primary key,
            state text collate "C" not null,
            workflow text collate "C" not null,
            mode text collate "C" not null,
            repository text collate "C" not null,
            created_at text collate "C" not null,
            started_at text collate "C",
            finished_at text collate "C",
            cancel integer not null default 0,
            cleanup text collate "C" not null default 'pending',
            plan text not null,
            progress text not null,
            outcome text,
            via_server integer not null default 0,
            priority integer not null default 0,
            idempotency_key text collate "C",
            request_hash text,
            server text collate "C",
            launched integer not null default 0
        );
        create index runs_by_creation on runs (created_at desc, id desc);
        create index runs_by_state on runs (state, created_at);
        create index runs_by_workflow on runs (workflow, id);
        create index runs_by_repository on runs (repository, id);
        create index runs_open on runs (created_at)
            where state not in ('succeeded', 'failed', 'cancelled', 'timed_out', 'lost') or cleanup = 'pending';
        create unique index runs_by_idempotency_key on runs (idempotency_key) where idempotency_key is not null;
        create table run_labels (
            run_id text collate "C" not null references runs (id) on delete cascade,
            name text collate "C" not null,
            value text collate "C" not null,
            primary key (run_id, name)
        );
        create index run_labels_by_value on run_labels (name, value, run_id);
        create table run_files (
            run_id text collate "C" primary key references runs (id) on delete cascade,
            input bytea not null,
            system_prompt text,
            mcp_config text,
            environment text not null
        );
        create table servers (
            id text collate "C" primary key,
            place text not null,
            url text not null,
            beat bigint not null,
            seen_at text collate "C" not null
        );
        create table tokens (
            id text collate "C" primary key,
            name text collate "C" not null unique,
            role text not null,
            hash text not null,
            created_at text collate "C" not null,
            revoked_at text collate "C"
        );
        create table audit (
            at text collate "C" not null,
            who text not null,
            role text not null,
            action text not null,
            run_id text collate "C",
            address text not null
        );
        create index audit_by_run on audit (run_id, at);
        create index audit_by_time on audit (at);
        """,
        """
        alter table runs add column webhooks_told integer not null default 0;
        create index runs_untold on runs (id) where webhooks_told < 3;
        create table webhook_receivers (
            receiver text collate "C" primary key,
            since text collate "C" not null
        );
        create table webhooks (
            id text collate "C" not null,
            receiver text collate "C" not null,
            run_id text collate "C" not null,
            type text not null,
            body text not null,
            tries integer not null,
            due_at text collate "C" not null,
            primary key (id, receiver)
        );
        create index webhooks_by_due on webhooks (receiver, due_at);
        """,
        """
        create table spending (
            day text collate "C" not null,
            run_id text collate "C" not null,
            workflow text collate "C" not null,
            repository text collate "C" not null,
            owner text collate "C" not null,
            calls bigint not null,
            turns bigint not null,
            tokens bigint not null,
            nano_usd bigint not null,
            wall_ms bigint not null,
            reserved_turns bigint not null,
            reserved_tokens bigint not null,
            reserved_nano_usd bigint not null,
            reserved_at text collate "C" not null,
            primary key (day, run_id)
        );
        create index spending_by_run on spending (run_id);
        """,
        """
        alter table runs add column owner text collate "C";
        update runs set owner = plan::json -> 'ticket' ->> 'createdBy';
        create index runs_by_owner on runs (owner, id);
        """,
    ];
}
