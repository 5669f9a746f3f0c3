-- The constraints of every table that is not the system's, with the table that a foreign key references, and of a CHECK
-- its stored tree, which may prove that a column is never null. Not pg_get_constraintdef: of a CHECK it opens the table,
-- and would wait behind a migration that waits for ACCESS EXCLUSIVE (seen on 15, 16 and 18).
-- PostgreSQL 13 to 18; from 18 on a NOT NULL is a constraint too (contype n).
SELECT
    o.conrelid::bigint AS relation,
    o.conname::text AS name,
    o.contype::text AS type,
    o.convalidated AS validated,
    o.confrelid::bigint AS referenced,
    o.conindid::bigint AS index,
    o.conkey::int[] AS columns,
    o.confkey::int[] AS referenced_columns,
    o.conparentid::bigint AS parent,
    o.connoinherit AS no_inherit,
    CASE WHEN o.contype = 'c' THEN o.conbin::text ELSE '' END AS tree
FROM pg_catalog.pg_constraint AS o
JOIN pg_catalog.pg_class AS c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
ORDER BY o.conrelid, o.conname
