-- One row per invalid index that nobody is building right now: its oid, name, table and how to be rid of it. Indexes on
-- partitioned tables are invalid by design until their parts are attached; they are left out.
SELECT pg_class.oid::bigint AS oid,
       pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(pg_class.relname) AS name,
       pg_catalog.quote_ident(table_space.nspname) || '.' || pg_catalog.quote_ident(owner.relname) AS "table"
  FROM pg_catalog.pg_index
  JOIN pg_catalog.pg_class ON pg_class.oid = pg_index.indexrelid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = pg_class.relnamespace
  JOIN pg_catalog.pg_class AS owner ON owner.oid = pg_index.indrelid
  JOIN pg_catalog.pg_namespace AS table_space ON table_space.oid = owner.relnamespace
 WHERE NOT pg_index.indisvalid
   AND pg_class.relkind = 'i'
   AND NOT EXISTS (SELECT
                     FROM pg_catalog.pg_stat_progress_create_index AS building
                    WHERE building.index_relid = pg_class.oid)
 ORDER BY 2
