-- One row per backend that holds the advisory key $1 (a bigint) in this database: who, from where, since when: that is
-- its transaction, or where it has none (a lock of a session) its connection.
-- Split into halves as pg_locks shows a 64-bit key: classid the high one, objid the low one, objsubid 1.
SELECT activity.pid,
       activity.usename::text AS "user",
       activity.application_name AS application,
       pg_catalog.host(activity.client_addr) AS address,
       activity.xact_start AS since,
       activity.backend_start AS connected,
       extract(epoch FROM pg_catalog.clock_timestamp()
                          - COALESCE(activity.xact_start, activity.backend_start))::float8 AS age
  FROM pg_catalog.pg_locks AS lock
  LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
 WHERE lock.locktype = 'advisory'
   AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND lock.classid = (($1::bigint >> 32) & 4294967295)::oid
   AND lock.objid = ($1::bigint & 4294967295)::oid
   AND lock.objsubid = 1
   AND lock.granted
