-- Tables that this backend has scanned and not yet reported: what a statement's own scans are counted from.
-- For a shadow only. PostgreSQL 13 to 18.
SELECT s.oid, s.scans
FROM (
    SELECT c.oid::bigint AS oid, pg_catalog.pg_stat_get_xact_numscans(c.oid) AS scans
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384
    OFFSET 0
) AS s
WHERE s.scans > 0
