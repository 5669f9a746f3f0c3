-- One row: how much room the server has for a run's connections, and what state it is in. Connections are counted from
-- pg_stat_activity, which shows pid, role and application of everybody to everybody; `ours` are those of this program
-- for the same role. Lag and synchronous standbys are null for a role that may not see them.
-- PostgreSQL 13 to 18.
WITH clients AS MATERIALIZED (
    SELECT a.usesysid, a.datid, a.application_name
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.usesysid IS NOT NULL
        AND a.datid IS NOT NULL
        AND COALESCE(a.backend_type, 'client backend') = 'client backend'
), me AS (
    SELECT r.oid, r.rolconnlimit, r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user
), here AS (
    SELECT d.oid, d.datconnlimit, d.datfrozenxid, d.datminmxid
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = pg_catalog.current_database()
)
SELECT
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    pg_catalog.current_setting('max_connections')::int AS max_connections,
    pg_catalog.current_setting('superuser_reserved_connections')::int
        + COALESCE(pg_catalog.current_setting('reserved_connections', true), '0')::int AS reserved,
    (SELECT count(*) FROM clients)::int AS used,
    (SELECT count(*) FROM clients WHERE clients.usesysid = me.oid)::int AS used_by_role,
    (SELECT count(*) FROM clients WHERE clients.datid = here.oid)::int AS used_in_database,
    (SELECT count(*) FROM clients
        WHERE clients.usesysid = me.oid AND clients.datid = here.oid
            AND clients.application_name LIKE 'changeover %')::int AS ours,
    me.rolconnlimit AS role_limit,
    here.datconnlimit AS database_limit,
    me.rolsuper AS superuser,
    pg_catalog.age(here.datfrozenxid) AS xid_age,
    pg_catalog.mxid_age(here.datminmxid) AS multixact_age,
    pg_catalog.current_setting('autovacuum_freeze_max_age')::int AS freeze_max_age,
    pg_catalog.current_setting('autovacuum') AS autovacuum,
    pg_catalog.current_setting('fsync') AS fsync,
    pg_catalog.current_setting('full_page_writes') AS full_page_writes,
    COALESCE(pg_catalog.current_setting('synchronous_standby_names', true), '') AS synchronous_standbys,
    pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    (SELECT count(*) FROM pg_catalog.pg_stat_replication AS p WHERE p.sync_state IN ('sync', 'quorum'))::int AS synchronous
FROM me CROSS JOIN here
