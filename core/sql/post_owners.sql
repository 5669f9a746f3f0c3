-- One row per table, view, function and schema that is not the system's or an extension's: what it is and who owns it.
-- Sequences and indexes are left out: they follow the owner of their table.
SELECT 'pg_class'::text AS catalog,
       pg_class.oid::bigint AS oid,
       space.nspname::text AS schema,
       pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(pg_class.relname) AS name,
       role.rolname::text AS owner
  FROM pg_catalog.pg_class
  JOIN pg_catalog.pg_namespace AS space ON space.oid = pg_class.relnamespace
  JOIN pg_catalog.pg_roles AS role ON role.oid = pg_class.relowner
 WHERE pg_class.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND space.nspname !~ '^pg_' AND space.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
                    WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = pg_class.oid AND deptype = 'e')
UNION ALL
SELECT 'pg_proc',
       pg_proc.oid::bigint,
       space.nspname::text,
       pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(pg_proc.proname) || '()',
       role.rolname::text
  FROM pg_catalog.pg_proc
  JOIN pg_catalog.pg_namespace AS space ON space.oid = pg_proc.pronamespace
  JOIN pg_catalog.pg_roles AS role ON role.oid = pg_proc.proowner
 WHERE space.nspname !~ '^pg_' AND space.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
                    WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND objid = pg_proc.oid AND deptype = 'e')
UNION ALL
SELECT 'pg_namespace', space.oid::bigint, space.nspname::text, 'schema ' || pg_catalog.quote_ident(space.nspname),
       role.rolname::text
  FROM pg_catalog.pg_namespace AS space
  JOIN pg_catalog.pg_roles AS role ON role.oid = space.nspowner
 WHERE space.nspname !~ '^pg_' AND space.nspname <> 'information_schema'
 ORDER BY 1, 4
