-- One row per connection and lock mode on a relation of $1 (oids) that is held or waited for now, oldest transaction
-- first; then, with a null relation, up to 20 of the oldest transactions of this database that hold a snapshot, which
-- is what a CONCURRENTLY step waits for. From pg_locks, which every role sees whole; of what others do, a role without
-- pg_read_all_stats sees pid, role and application. Our own connection is left out.
-- An autovacuum shows no role; against wraparound it says so in its query.
-- PostgreSQL 13 to 18.
WITH held AS MATERIALIZED (
    SELECT DISTINCT l.relation, l.pid, l.mode, l.granted
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation'
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND l.relation = ANY ($1::bigint[]::oid[])
        AND l.pid IS NOT NULL
        AND l.pid <> pg_catalog.pg_backend_pid()
), snapshots AS (
    SELECT a.pid
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datname = pg_catalog.current_database()
        AND a.backend_xmin IS NOT NULL
        AND a.pid <> pg_catalog.pg_backend_pid()
    ORDER BY a.xact_start NULLS LAST
    LIMIT 20
), wanted AS (
    SELECT held.relation, held.pid, held.mode, held.granted FROM held
    UNION ALL
    SELECT NULL, snapshots.pid, '', true FROM snapshots
)
SELECT
    w.relation::bigint AS relation,
    w.pid,
    w.mode,
    w.granted,
    a.usename::text AS "user",
    a.application_name AS application,
    a.backend_type AS kind,
    a.state,
    extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS xact_age,
    pg_catalog.left(a.query, 200) AS query,
    a.backend_type IS NOT NULL AS visible,
    COALESCE(a.backend_type = 'autovacuum worker', a.pid IS NOT NULL AND a.usesysid IS NULL) AS autovacuum,
    COALESCE(a.backend_type = 'autovacuum worker' AND a.query LIKE '%(to prevent wraparound)%', false) AS wraparound
FROM wanted AS w
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = w.pid
ORDER BY a.xact_start NULLS LAST, w.pid
