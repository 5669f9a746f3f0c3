-- Cancels what the backend that holds the advisory key $1 (a bigint) in this database is doing, if its application is
-- $2 and it is doing something; one row per backend that was told to. The halves of the key are as in key_holder.sql.
-- See https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL.
SELECT pg_catalog.pg_cancel_backend(activity.pid) AS told
  FROM pg_catalog.pg_locks AS lock
  JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
 WHERE lock.locktype = 'advisory'
   AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND lock.classid = (($1::bigint >> 32) & 4294967295)::oid
   AND lock.objid = ($1::bigint & 4294967295)::oid
   AND lock.objsubid = 1
   AND lock.granted
   AND activity.application_name = $2
   AND activity.state = 'active'
