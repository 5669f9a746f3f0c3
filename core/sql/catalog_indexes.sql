-- The indexes of every table that is not the system's: what they cover and whether they can be used. An index that a
-- failed CREATE INDEX CONCURRENTLY left is not valid. The stored trees of expressions and predicate say which columns they
-- mention. Not their definitions: pg_get_indexdef would wait behind a
-- migration that waits for ACCESS EXCLUSIVE.
-- PostgreSQL 13 to 18.
SELECT
    i.indexrelid::bigint AS oid,
    i.indrelid::bigint AS relation,
    i.indisvalid AS valid,
    i.indisready AS ready,
    i.indisunique AS unique,
    m.amname::text AS method,
    i.indkey::int[] AS columns,
    i.indnkeyatts::int AS keys,
    i.indpred IS NOT NULL AS partial,
    COALESCE(i.indexprs::text, '') || COALESCE(i.indpred::text, '') AS tree
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_toast%'
    AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
ORDER BY i.indrelid, i.indexrelid
