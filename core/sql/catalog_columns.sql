-- The columns of every relation that is not the system's, in order. Types as format_type says them, which is what
-- statements are compared with; the collation only where it is not the type's own. Not the text of defaults: pg_get_expr opens the table and would wait behind a migration.
-- PostgreSQL 13 to 18.
SELECT
    a.attrelid::bigint AS relation,
    a.attnum::int AS number,
    a.attname::text AS name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS not_null,
    a.atthasdef AS has_default,
    a.attidentity::text AS identity,
    a.attgenerated::text AS generated,
    a.atttypid::bigint AS type_oid,
    CASE WHEN a.attcollation <> t.typcollation THEN COALESCE(o.collname::text, '') ELSE '' END AS collation
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = a.attcollation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attnum > 0
    AND NOT a.attisdropped
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_toast%'
    AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
ORDER BY a.attrelid, a.attnum
