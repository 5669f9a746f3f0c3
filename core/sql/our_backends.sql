-- One row per backend of changeover in this database, but for the one that asks: every role may see pid and
-- application_name of every other; `started` and `state` are null where ours may not. `started` as text, to the
-- microsecond: with the pid it names this backend and never a later one.
SELECT activity.pid,
       activity.application_name AS application,
       activity.usename::text AS "user",
       activity.backend_start::text AS started,
       activity.state,
       pg_catalog.left(activity.query, 200) AS query,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::float8 AS xact_age
  FROM pg_catalog.pg_stat_activity AS activity
 WHERE activity.datname = pg_catalog.current_database()
   AND activity.application_name LIKE 'changeover %'
   AND activity.pid <> pg_catalog.pg_backend_pid()
 ORDER BY activity.pid
