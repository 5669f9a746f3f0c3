-- What belongs to a relation or is built on it, in rows of kind, relation, columns and dependent:
--   child      a partition or inheriting table, or the index of a partition; columns holds 1 for the default partition
--   view       a view, materialized view or rule that reads the relation, with the columns that it names
--   sequence   owned by a column (serial, identity, OWNED BY)
--   default    a table with a default that asks the sequence `relation`
-- Set-based, for the whole database. Reads the dependencies, never a definition: that would open relations.
-- PostgreSQL 13 to 18.
SELECT
    'child' AS kind,
    i.inhparent::bigint AS relation,
    CASE WHEN p.partdefid = i.inhrelid THEN ARRAY[1] ELSE ARRAY[]::int[] END AS columns,
    i.inhrelid::bigint AS dependent
FROM pg_catalog.pg_inherits AS i
LEFT JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = i.inhparent
UNION ALL
SELECT 'view', d.refobjid::bigint, pg_catalog.array_agg(DISTINCT d.refobjsubid ORDER BY d.refobjsubid), r.ev_class::bigint
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjid <> r.ev_class
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
GROUP BY d.refobjid, r.ev_class
UNION ALL
SELECT 'sequence', d.refobjid::bigint, ARRAY[d.refobjsubid], d.objid::bigint
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_class AS c ON c.oid = d.objid
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.deptype IN ('a', 'i')
    AND d.refobjsubid > 0
    AND c.relkind = 'S'
UNION ALL
SELECT 'default', d.refobjid::bigint, ARRAY[f.adnum::int], f.adrelid::bigint
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid
WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND c.relkind = 'S'
