-- One row per backend that waits for a lock behind backend $1, directly or in the queue.
SELECT activity.pid,
       pg_catalog.pg_blocking_pids(activity.pid) AS blocked_by,
       activity.usename::text AS "user",
       activity.application_name AS application,
       activity.backend_type AS kind,
       activity.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::float8 AS xact_age,
       activity.wait_event_type || ':' || activity.wait_event AS wait,
       pg_catalog.left(activity.query, 200) AS query,
       false AS prevents_wraparound
  FROM pg_catalog.pg_stat_activity AS activity
 WHERE activity.wait_event_type = 'Lock'
   AND activity.pid <> $1
   AND pg_catalog.pg_blocking_pids(activity.pid) @> ARRAY[$1]::integer[]
