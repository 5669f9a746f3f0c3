-- One row: whether backend $1 is there, its state, and for how many seconds it has been in it by the server's clock.
-- A state that we may not see, or that is not tracked, is NULL or 'disabled'.
-- See https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW.
SELECT activity.pid IS NOT NULL AS there,
       activity.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.state_change)::float8 AS since
  FROM (VALUES ($1::integer)) AS wanted (pid)
  LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = wanted.pid
