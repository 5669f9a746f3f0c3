-- The locks on relations of this database that the backend $1 holds or asks for, the system's own relations apart.
-- For a shadow only: asked over another connection than the one that is looked at. PostgreSQL 13 to 18.
SELECT l.relation::bigint AS oid, l.mode, l.granted
FROM pg_catalog.pg_locks AS l
WHERE l.pid = $1
    AND l.locktype = 'relation'
    AND l.relation >= 16384
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
