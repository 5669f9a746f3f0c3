-- One row per table that may be a migration tool's history, by its name ($1): its columns with their types, where its
-- schema stands in the search path (NULL: nowhere), and whether this role may read it. What it is, its columns tell.
-- pg_attribute and not information_schema: that hides what this role has no right on.
SELECT pg_namespace.nspname::text AS schema,
       pg_class.relname::text AS name,
       pg_catalog.array_position(pg_catalog.current_schemas(false), pg_namespace.nspname) AS place,
       pg_catalog.has_schema_privilege(pg_namespace.oid, 'USAGE')
           AND pg_catalog.has_table_privilege(pg_class.oid, 'SELECT') AS readable,
       pg_catalog.array_agg(pg_attribute.attname::text ORDER BY pg_attribute.attnum) AS columns,
       pg_catalog.array_agg(pg_catalog.format_type(pg_attribute.atttypid, NULL) ORDER BY pg_attribute.attnum) AS types
  FROM pg_catalog.pg_class
  JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pg_class.relnamespace
  JOIN pg_catalog.pg_attribute ON pg_attribute.attrelid = pg_class.oid
 WHERE pg_class.relname = ANY ($1::name[])
   AND pg_class.relkind IN ('r', 'p')
   AND pg_attribute.attnum > 0
   AND NOT pg_attribute.attisdropped
   AND pg_namespace.nspname !~ '^pg_(temp|toast)'
 GROUP BY pg_namespace.oid, pg_namespace.nspname, pg_class.oid, pg_class.relname
 ORDER BY place NULLS LAST, pg_namespace.nspname, pg_class.relname
