-- One row per column that was asked for ($1 schemas, $2 tables, $3 columns, side by side): type, nullability, default.
-- The default is read with no relation to look columns up in: it has none to name, and so pg_get_expr opens no table
-- and waits for no lock. That of a generated column names columns, and is left out.
-- PostgreSQL 13 to 18.
SELECT
    w.number::int AS number,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS not_null,
    CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, 0) END AS "default",
    a.attidentity::text AS identity,
    a.attgenerated::text AS generated
FROM ROWS FROM (
    pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[])
) WITH ORDINALITY AS w (schema, "table", "column", number)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w."table"
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = w."column" AND a.attnum > 0
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
ORDER BY 1
