-- One row per constraint that is NOT VALID, but for those that are NOT ENFORCED on purpose (from 18 on, hence by way of
-- JSON): its oid, name and table, or domain.
SELECT pg_constraint.oid::bigint AS oid,
       pg_catalog.quote_ident(pg_constraint.conname) AS name,
       pg_catalog.quote_ident(space.nspname) || '.'
           || pg_catalog.quote_ident(COALESCE(pg_class.relname, pg_type.typname)) AS "table"
  FROM pg_catalog.pg_constraint
  LEFT JOIN pg_catalog.pg_class ON pg_class.oid = pg_constraint.conrelid
  LEFT JOIN pg_catalog.pg_type ON pg_type.oid = pg_constraint.contypid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = COALESCE(pg_class.relnamespace, pg_type.typnamespace)
 WHERE NOT pg_constraint.convalidated
   AND COALESCE((pg_catalog.to_jsonb(pg_constraint) ->> 'conenforced')::boolean, true)
 ORDER BY 3, 2
