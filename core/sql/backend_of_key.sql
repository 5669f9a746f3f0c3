-- At most one row: the backend that holds the advisory key $1 (a bigint) in this database. Through a pooler it is how
-- the backend of a transaction is known. The halves of the key are as in key_holder.sql.
SELECT lock.pid
  FROM pg_catalog.pg_locks AS lock
 WHERE lock.locktype = 'advisory'
   AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND lock.classid = (($1::bigint >> 32) & 4294967295)::oid
   AND lock.objid = ($1::bigint & 4294967295)::oid
   AND lock.objsubid = 1
   AND lock.granted
