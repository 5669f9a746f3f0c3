-- The comments on relations, their columns and their constraints: one row each, `number` 0 for the relation itself;
-- of a constraint `constraint_name` is its name. pg_description only: nothing here can wait behind a lock on a relation.
-- PostgreSQL 13 to 18.
SELECT
    d.objoid::bigint AS relation,
    d.objsubid::int AS number,
    '' AS constraint_name,
    d.description AS text
FROM pg_catalog.pg_description AS d
JOIN pg_catalog.pg_class AS c ON c.oid = d.objoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT o.conrelid::bigint, 0, o.conname::text, d.description
FROM pg_catalog.pg_description AS d
JOIN pg_catalog.pg_constraint AS o ON o.oid = d.objoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = o.connamespace
WHERE d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
    AND o.conrelid <> 0
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
