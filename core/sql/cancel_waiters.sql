-- One row per backend that was told to give up its wait for one of the advisory keys $2 (bigints), where it keeps the
-- backend $1 waiting: pid and whether it could be told. It waits inside a statement, so it has a snapshot, and CREATE INDEX
-- CONCURRENTLY waits for every older snapshot, while it waits for the key that our guard holds until the end.
SELECT waiter.pid, pg_catalog.pg_cancel_backend(waiter.pid) AS told
  FROM pg_catalog.pg_locks AS waiter
 WHERE waiter.locktype = 'advisory'
   AND NOT waiter.granted
   AND waiter.objsubid = 1
   AND waiter.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND ((waiter.classid::bigint << 32) | waiter.objid::bigint) = ANY ($2::bigint[])
   AND waiter.pid = ANY (pg_catalog.pg_blocking_pids($1))
