-- Relations as the transaction that asks sees them, also what it has not committed: file and tablespace (a rewritten table
-- has another file), and how often this transaction has scanned them from end to end.
-- $1: oids; null is every relation of a user. For a shadow only: it is asked between the statements of a migration.
-- PostgreSQL 13 to 18.
SELECT
    c.oid::bigint AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relfilenode::bigint AS file,
    c.reltablespace::bigint AS tablespace,
    COALESCE(i.indrelid::bigint, 0) AS table,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_stat_get_xact_numscans(c.oid) ELSE 0 END AS scans
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
WHERE c.relkind <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_toast%'
    AND ($1::oid[] IS NULL OR c.oid = ANY ($1::oid[]))
