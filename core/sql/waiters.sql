-- One row per backend that waits for a lock behind backend $1, directly or in the queue, longest wait first: at most
-- 200, each with how many there are in all. Read from pg_locks, which every role sees whole; pg_stat_activity hides
-- who waits from a role without pg_read_all_stats. `wait_start` is NULL before PostgreSQL 14, which does not keep it;
-- to_jsonb asks for the column only where there is one.
WITH RECURSIVE waiting AS MATERIALIZED (
    SELECT lock.pid,
           pg_catalog.pg_blocking_pids(lock.pid) AS blocked_by,
           (pg_catalog.to_jsonb(lock) ->> 'waitstart')::timestamptz AS wait_start
      FROM pg_catalog.pg_locks AS lock
     WHERE NOT lock.granted
       AND lock.pid <> $1
), behind AS (
    SELECT waiting.pid, waiting.blocked_by, waiting.wait_start
      FROM waiting
     WHERE waiting.blocked_by @> ARRAY[$1]::integer[]
     UNION
    SELECT waiting.pid, waiting.blocked_by, waiting.wait_start
      FROM waiting
      JOIN behind ON waiting.blocked_by @> ARRAY[behind.pid]
)
SELECT behind.pid,
       behind.blocked_by,
       pg_catalog.to_jsonb(behind.wait_start) #>> '{}' AS wait_start,
       extract(epoch FROM pg_catalog.clock_timestamp() - behind.wait_start)::float8 AS waiting,
       activity.usename::text AS "user",
       activity.application_name AS application,
       activity.backend_type AS kind,
       activity.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::float8 AS xact_age,
       activity.wait_event_type || ':' || activity.wait_event AS wait,
       pg_catalog.left(activity.query, 200) AS query,
       pg_catalog.to_jsonb(activity.backend_start) #>> '{}' AS started,
       activity.backend_type IS NOT NULL AS visible,
       -- background workers have no role, and parallel workers wait for their leader's sake
       activity.usesysid IS NOT NULL
           AND COALESCE(activity.backend_type, 'client backend') = 'client backend' AS is_client,
       false AS prevents_wraparound,
       pg_catalog.count(*) OVER () AS total
  FROM behind
  LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = behind.pid
 WHERE behind.pid <> $1
 ORDER BY behind.wait_start NULLS LAST, behind.pid
 LIMIT 200
