-- One row per backend of this database that has a transaction open or waits for a lock, oldest transaction first, our
-- own left out: who, what it does and since when, who blocks it, and its strongest locks on relations (at most 20).
-- Ages are the server's. pg_blocking_pids is called only for backends that wait. A lock's relation is looked up by its
-- oid in pg_class: regclass would say the same, but fail on one that was just dropped.
-- A role without pg_read_all_stats sees nothing of others but pid, role and application: `visible` is false then.
-- PostgreSQL 13 to 18.
WITH here AS (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
), waiting AS (
    SELECT DISTINCT l.pid FROM pg_catalog.pg_locks AS l WHERE NOT l.granted
), holding AS (
    SELECT DISTINCT l.pid FROM pg_catalog.pg_locks AS l JOIN here ON l.database = here.oid
    WHERE l.locktype = 'relation' AND l.pid IS NOT NULL
)
SELECT
    a.pid,
    a.usename::text AS "user",
    a.application_name AS application,
    a.backend_type AS kind,
    a.state,
    extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS xact_age,
    a.wait_event_type || ':' || a.wait_event AS wait,
    pg_catalog.left(a.query, 4000) AS query,
    a.backend_type IS NOT NULL AS visible,
    CASE WHEN a.pid IN (SELECT pid FROM waiting) THEN pg_catalog.pg_blocking_pids(a.pid) ELSE '{}' END AS blocked_by,
    ARRAY(
        SELECT (CASE WHEN l.granted THEN '' ELSE 'waits for ' END) || l.mode || ' on '
            || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
        FROM pg_catalog.pg_locks AS l
        JOIN here ON l.database = here.oid
        JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE l.pid = a.pid AND l.locktype = 'relation' AND n.nspname <> 'pg_catalog'
        ORDER BY l.granted, c.relname, l.mode
        LIMIT 20
    ) AS locks
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database()
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND (a.xact_start IS NOT NULL OR a.pid IN (SELECT pid FROM waiting) OR a.pid IN (SELECT pid FROM holding))
ORDER BY a.xact_start NULLS LAST, a.pid
LIMIT 500
