-- What a shadow of this database has to have before its schema can be loaded, as rows of kind, name and detail: roles
-- and who is a member of whom, settings of the database and of our role in it, tablespaces, extensions with their schema,
-- access methods over a handler of the system's own, and tables that our role may not read (pg_dump would fail on them). Roles of the system (pg_...) are everywhere.
-- PostgreSQL 13 to 18. One query; nothing in it opens a table of the user's.
SELECT 'role' AS kind, r.rolname::text AS name, '' AS detail
FROM pg_catalog.pg_roles AS r
WHERE r.rolname NOT LIKE 'pg\_%'
UNION ALL
SELECT 'member', g.rolname::text, m.rolname::text
FROM pg_catalog.pg_auth_members AS a
JOIN pg_catalog.pg_roles AS g ON g.oid = a.roleid
JOIN pg_catalog.pg_roles AS m ON m.oid = a.member
WHERE g.rolname NOT LIKE 'pg\_%' AND m.rolname NOT LIKE 'pg\_%'
UNION ALL
SELECT CASE WHEN s.setrole = 0 THEN 'setting of database' ELSE 'setting of role' END, c.setting, ''
FROM pg_catalog.pg_db_role_setting AS s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
WHERE (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
    AND (s.setrole = 0 OR r.rolname = session_user)
UNION ALL
SELECT 'setting', t.name, t.setting
FROM pg_catalog.pg_settings AS t
WHERE t.name IN ('TimeZone', 'search_path', 'default_tablespace', 'default_table_access_method', 'check_function_bodies')
UNION ALL
SELECT 'tablespace', t.spcname::text, ''
FROM pg_catalog.pg_tablespace AS t
WHERE t.spcname NOT IN ('pg_default', 'pg_global')
UNION ALL
SELECT 'extension', e.extname::text, n.nspname::text
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
UNION ALL
SELECT 'access method', m.amname::text, m.amtype::text || m.amhandler::text
FROM pg_catalog.pg_am AS m
WHERE m.oid >= 16384 AND m.amhandler::oid < 16384
UNION ALL
SELECT 'unreadable', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), ''
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_toast%'
    AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
    AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
