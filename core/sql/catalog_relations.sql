-- Every relation that a migration can name: tables, views, indexes, sequences, composite types; the system's too, since
-- migrations ask them. Rows and bytes are the planner's own figures (-1 rows: never analysed): the size functions take a
-- lock, and would wait behind a migration that waits for ACCESS EXCLUSIVE.
-- PostgreSQL 13 to 18.
SELECT
    c.oid::bigint AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.reltuples::float8 AS rows,
    c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes,
    a.rolname::text AS owner,
    c.relispartition AS partition
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_roles AS a ON a.oid = c.relowner
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c', 'i', 'I')
    AND n.nspname NOT LIKE 'pg\_toast%'
    AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
