-- Whatever else has a name, as rows of kind, schema and name: what a statement may need or find taken. Schemas, roles,
-- extensions, types and functions are in another query, with what is known of them.
-- PostgreSQL 13 to 18. One query, so that the number of round trips does not grow with the kinds.
SELECT 'access method' AS kind, '' AS schema, a.amname::text AS name FROM pg_catalog.pg_am AS a
UNION ALL
SELECT 'database', '', d.datname::text FROM pg_catalog.pg_database AS d
UNION ALL
SELECT 'event trigger', '', e.evtname::text FROM pg_catalog.pg_event_trigger AS e
UNION ALL
SELECT 'foreign-data wrapper', '', f.fdwname::text FROM pg_catalog.pg_foreign_data_wrapper AS f
UNION ALL
SELECT 'language', '', l.lanname::text FROM pg_catalog.pg_language AS l
UNION ALL
SELECT 'server', '', s.srvname::text FROM pg_catalog.pg_foreign_server AS s
UNION ALL
SELECT 'subscription', '', s.subname::text
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT 'tablespace', '', t.spcname::text FROM pg_catalog.pg_tablespace AS t
UNION ALL
SELECT DISTINCT o.kind, n.nspname::text, o.name
FROM (
    SELECT 'collation' AS kind, c.collnamespace AS namespace, c.collname::text AS name FROM pg_catalog.pg_collation AS c
    UNION ALL
    SELECT 'conversion', c.connamespace, c.conname::text FROM pg_catalog.pg_conversion AS c
    UNION ALL
    SELECT 'operator', o.oprnamespace, o.oprname::text FROM pg_catalog.pg_operator AS o
    UNION ALL
    SELECT 'operator class', o.opcnamespace, o.opcname::text FROM pg_catalog.pg_opclass AS o
    UNION ALL
    SELECT 'operator family', o.opfnamespace, o.opfname::text FROM pg_catalog.pg_opfamily AS o
    UNION ALL
    SELECT 'text search configuration', t.cfgnamespace, t.cfgname::text FROM pg_catalog.pg_ts_config AS t
    UNION ALL
    SELECT 'text search dictionary', t.dictnamespace, t.dictname::text FROM pg_catalog.pg_ts_dict AS t
    UNION ALL
    SELECT 'text search parser', t.prsnamespace, t.prsname::text FROM pg_catalog.pg_ts_parser AS t
    UNION ALL
    SELECT 'text search template', t.tmplnamespace, t.tmplname::text FROM pg_catalog.pg_ts_template AS t
) AS o
JOIN pg_catalog.pg_namespace AS n ON n.oid = o.namespace
