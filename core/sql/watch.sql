-- One row per backend in the tree above backend $1: itself first, then who blocks it, and who blocks those.
-- pg_blocking_pids knows lock modes and the queue; a join of pg_locks would name harmless holders too. It is called
-- only for backends that wait. Pid 0 is a prepared transaction. Nothing here can wait behind a relation's lock.
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
       COALESCE(activity.backend_type = 'autovacuum worker'
                AND activity.query LIKE '%(to prevent wraparound)%', false) AS prevents_wraparound,
       activity.backend_xid::text AS xid
  FROM tree
  LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = tree.pid
