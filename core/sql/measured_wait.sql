-- One row while the backend $1 waits for a lock, also for one that is no relation's (another transaction's end).
-- For a shadow only. PostgreSQL 13 to 18.
SELECT 1 AS waits FROM pg_catalog.pg_locks AS l WHERE l.pid = $1 AND NOT l.granted
