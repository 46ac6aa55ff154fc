namespace Berth.Engine.Storage;

/// <summary>The schema, as the steps that lead to it. A step that was released is never changed.</summary>
internal static class SqliteMigrations
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
        """
        alter table runs add column via_server integer not null default 0;
        alter table runs add column priority integer not null default 0;
        alter table runs add column idempotency_key text;
        alter table runs add column request_hash text;
        create unique index runs_by_idempotency_key on runs (idempotency_key) where idempotency_key is not null;
        create table run_labels (
            run_id text not null references runs (id) on delete cascade,
            name text not null,
            value text not null,
            primary key (run_id, name)
        ) strict;
        create index run_labels_by_value on run_labels (name, value, run_id);
        create table tokens (
            id text primary key,
            name text not null unique,
            role text not null,
            hash text not null,
            created_at text not null,
            revoked_at text
        ) strict;
        create table audit (
            at text not null,
            who text not null,
            role text not null,
            action text not null,
            run_id text,
            address text not null
        ) strict;
        create index audit_by_run on audit (run_id, at);
        create index audit_by_time on audit (at);
        """,
        """
        alter table runs add column server text default 'home';
        alter table runs add column launched integer not null default 0;
        create index runs_by_workflow on runs (workflow, id);
        create index runs_by_repository on runs (repository, id);
        create index runs_open on runs (created_at)
            where state not in ('succeeded', 'failed', 'cancelled', 'timed_out', 'lost') or cleanup = 'pending';
        create table run_files (
            run_id text primary key references runs (id) on delete cascade,
            input blob not null,
            system_prompt text,
            mcp_config text,
            environment text not null
        ) strict;
        create table servers (
            id text primary key,
            place text not null,
            url text not null,
            beat integer not null,
            seen_at text not null
        ) strict;
        """,
        """
        alter table runs add column webhooks_told integer not null default 0;
        create index runs_untold on runs (id) where webhooks_told < 3;
        create table webhook_receivers (
            receiver text primary key,
            since text not null
        ) strict;
        create table webhooks (
            id text not null,
            receiver text not null,
            run_id text not null,
            type text not null,
            body text not null,
            tries integer not null,
            due_at text not null,
            primary key (id, receiver)
        ) strict;
        create index webhooks_by_due on webhooks (receiver, due_at);
        """,
        """
        create table spending (
            day text not null,
            run_id text not null,
            workflow text not null,
            repository text not null,
            owner text not null,
            calls integer not null,
            turns integer not null,
            tokens integer not null,
            nano_usd integer not null,
            wall_ms integer not null,
            reserved_turns integer not null,
            reserved_tokens integer not null,
            reserved_nano_usd integer not null,
            reserved_at text not null,
            primary key (day, run_id)
        ) strict;
        create index spending_by_run on spending (run_id);
        """,
        """
        alter table runs add column owner text;
        update runs set owner = json_extract(plan, '$.ticket.createdBy') where json_valid(plan);
        create index runs_by_owner on runs (owner, id);
        """,
    ];
}
