-- Everything else that has a name, as rows of kind, schema, name and detail: schemas, types (with oid, oid of the array
-- and typtype, and whether a domain has constraints), functions (volatile or not), statistics and publications with the
-- oids of their tables, casts that change no bytes, extensions, roles, the search_path as it resolves for
-- this role, and the settings that change what a statement does or how long it may take.
-- PostgreSQL 13 to 18. One query, so that the number of round trips does not grow with the kinds.
SELECT 'schema' AS kind, '' AS schema, n.nspname::text AS name, '' AS detail
FROM pg_catalog.pg_namespace AS n
UNION ALL
SELECT
    'type', n.nspname::text, t.typname::text,
    t.oid::text || ' ' || t.typarray::text || ' ' || t.typtype::text || CASE
        WHEN t.typtype = 'd' AND (
            t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS o WHERE o.contypid = t.oid)
        ) THEN '!' ELSE ''
    END
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.typcategory <> 'A' AND n.nspname NOT LIKE 'pg\_toast%'
UNION ALL
SELECT
    'function', n.nspname::text, p.proname::text,
    CASE WHEN pg_catalog.bool_or(p.provolatile = 'v') THEN 'volatile' ELSE '' END
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
GROUP BY n.nspname, p.proname
UNION ALL
SELECT 'extension', '', e.extname::text, e.extversion
FROM pg_catalog.pg_extension AS e
UNION ALL
SELECT 'available extension', '', v.name::text, COALESCE(v.default_version, '')
FROM pg_catalog.pg_available_extensions AS v
UNION ALL
SELECT 'role', '', r.rolname::text, ''
FROM pg_catalog.pg_roles AS r
UNION ALL
SELECT 'search_path', '', p.name::text, p.number::text
FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p (name, number)
UNION ALL
SELECT 'statistics', n.nspname::text, s.stxname::text, s.stxrelid::text
FROM pg_catalog.pg_statistic_ext AS s
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
UNION ALL
SELECT 'publication', '', p.pubname::text, COALESCE(pg_catalog.string_agg(r.prrelid::text, ' '), '')
FROM pg_catalog.pg_publication AS p
LEFT JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = p.oid
GROUP BY p.pubname
UNION ALL
SELECT
    'binary cast', '', pg_catalog.format_type(c.castsource, NULL), pg_catalog.format_type(c.casttarget, NULL)
FROM pg_catalog.pg_cast AS c
WHERE c.castmethod = 'b'
UNION ALL
SELECT 'database tablespace', '', s.spcname::text, ''
FROM pg_catalog.pg_database AS d
JOIN pg_catalog.pg_tablespace AS s ON s.oid = d.dattablespace
WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT 'setting', '', s.name, s.setting
FROM pg_catalog.pg_settings AS s
WHERE s.name IN (
    'TimeZone', 'search_path', 'statement_timeout', 'lock_timeout', 'transaction_timeout',
    'idle_in_transaction_session_timeout', 'default_transaction_read_only', 'max_connections', 'server_version_num',
    'default_table_access_method'
)
