-- One row per backend in the tree above backend $1: itself first, then who blocks it, and who blocks those.
-- pg_blocking_pids knows lock modes and the queue; a join of pg_locks would name harmless holders too. It is called
-- only for backends that wait. Pid 0 is a prepared transaction. Nothing here can wait behind a relation's lock.
-- A role without pg_read_all_stats sees nothing of others but pid, user and application. An autovacuum against
-- wraparound is then known by what it does: a VACUUM without a role, on a table older than its freeze limit.
-- `started` and `may_signal` are what ending a blocker is guarded by; the rights are those of pg_cancel_backend.
WITH RECURSIVE tree AS (
    SELECT activity.pid, pg_catalog.pg_blocking_pids(activity.pid) AS blocked_by
      FROM pg_catalog.pg_stat_activity AS activity
     WHERE activity.pid = $1
     UNION
    SELECT blocker.pid,
           CASE WHEN blocker.pid = 0 THEN '{}' ELSE pg_catalog.pg_blocking_pids(blocker.pid) END
      FROM tree
     CROSS JOIN LATERAL pg_catalog.unnest(tree.blocked_by) AS blocker(pid)
)
SELECT tree.pid,
       tree.blocked_by,
       activity.usename::text AS "user",
       activity.application_name AS application,
       activity.backend_type AS kind,
       activity.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::float8 AS xact_age,
       activity.wait_event_type || ':' || activity.wait_event AS wait,
       pg_catalog.left(activity.query, 200) AS query,
       NULL::float8 AS waiting,
       pg_catalog.to_jsonb(activity.backend_start) #>> '{}' AS started,
       tree.pid = 0 OR activity.backend_type IS NOT NULL AS visible,
       CASE WHEN activity.backend_type IS NOT NULL
            THEN activity.backend_type = 'autovacuum worker' AND activity.query LIKE '%(to prevent wraparound)%'
            ELSE activity.pid IS NOT NULL AND activity.usesysid IS NULL AND EXISTS (
                SELECT FROM pg_catalog.pg_stat_progress_vacuum AS vacuum
                  JOIN pg_catalog.pg_locks AS lock ON lock.pid = vacuum.pid AND lock.locktype = 'relation'
                  JOIN pg_catalog.pg_class ON pg_class.oid = lock.relation
                 WHERE vacuum.pid = tree.pid
                   AND vacuum.datid = lock.database
                   AND vacuum.datname = pg_catalog.current_database()
                   AND pg_class.relkind IN ('r', 'm', 't')
                   AND pg_catalog.age(pg_class.relfrozenxid) > LEAST(
                       pg_catalog.current_setting('autovacuum_freeze_max_age')::integer,
                       (SELECT option.option_value::integer
                          FROM pg_catalog.pg_options_to_table(pg_class.reloptions) AS option
                         WHERE option.option_name = 'autovacuum_freeze_max_age')))
       END AS prevents_wraparound,
       COALESCE(role.rolsuper, false) AS superuser,
       activity.usesysid IS NOT NULL AND (
           pg_catalog.pg_has_role(activity.usesysid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE')) AS may_signal,
       activity.backend_xid::text AS xid
  FROM tree
  LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = tree.pid
  LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = activity.usesysid
