-- One row per column of a table in schema $1: tells our history from a foreign or damaged one before it is read.
-- pg_attribute and not information_schema: that hides what this role has no right on.
SELECT pg_class.relname::text, pg_attribute.attname::text
  FROM pg_catalog.pg_class
  JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pg_class.relnamespace
  JOIN pg_catalog.pg_attribute ON pg_attribute.attrelid = pg_class.oid
 WHERE pg_namespace.nspname = $1
   AND pg_class.relkind IN ('r', 'p', 'v')
   AND pg_attribute.attnum > 0
   AND NOT pg_attribute.attisdropped
