-- One row per invalid index: what a failed CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY left behind.
-- Indexes on partitioned tables are invalid by design until their parts are attached; they are left out.
SELECT pg_catalog.quote_ident(pg_namespace.nspname) || '.' || pg_catalog.quote_ident(pg_class.relname) AS index
  FROM pg_catalog.pg_index
  JOIN pg_catalog.pg_class ON pg_class.oid = pg_index.indexrelid
  JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pg_class.relnamespace
 WHERE NOT pg_index.indisvalid
   AND pg_class.relkind = 'i'
 ORDER BY 1
