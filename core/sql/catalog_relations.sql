-- Every relation that a migration can name: tables, views, indexes, sequences, composite types; the system's too, since
-- migrations ask them. Rows and bytes are the planner's own figures (-1 rows: never analysed): the size functions take a
-- lock, and would wait behind a migration that waits for ACCESS EXCLUSIVE. What ALTER TABLE ... SET may change or leave as
-- it is (persistence, access method, tablespace; empty: the database's own), the type of a typed table, and how a
-- partitioned table is partitioned.
-- PostgreSQL 13 to 18.
SELECT
    c.oid::bigint AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.reltuples::float8 AS rows,
    c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes,
    a.rolname::text AS owner,
    c.relispartition AS partition,
    c.relpersistence::text AS persistence,
    COALESCE(m.amname::text, '') AS method,
    COALESCE(s.spcname::text, '') AS tablespace,
    c.reltype::bigint AS row_type,
    c.reloftype::bigint AS of_type,
    COALESCE(p.partstrat::text, '') AS strategy,
    p.partattrs::int[] AS partition_keys
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_roles AS a ON a.oid = c.relowner
LEFT JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c', 'i', 'I')
    AND n.nspname NOT LIKE 'pg\_toast%'
    AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
