-- What one relation's defaults, generated columns, indexes, constraints and, of a view, its query are, as psql's \d shows
-- them. For one relation that somebody opens, never for all: the functions open the relation under ACCESS SHARE, and so
-- wait behind whoever has it in ACCESS EXCLUSIVE, for as long as the caller's lock_timeout lets them.
-- $1: oid of the relation. PostgreSQL 13 to 18.
SELECT
    'column' AS kind,
    a.attname::text AS name,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) AS text
FROM pg_catalog.pg_attrdef AS d
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = $1::bigint::oid AND NOT a.attisdropped
UNION ALL
SELECT 'index', c.relname::text, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true)
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = $1::bigint::oid
UNION ALL
SELECT 'constraint', o.conname::text, pg_catalog.pg_get_constraintdef(o.oid, true)
FROM pg_catalog.pg_constraint AS o
WHERE o.conrelid = $1::bigint::oid
UNION ALL
SELECT 'query', '', pg_catalog.pg_get_viewdef(c.oid, true)
FROM pg_catalog.pg_class AS c
WHERE c.oid = $1::bigint::oid AND c.relkind IN ('v', 'm')
