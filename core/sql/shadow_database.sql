-- One row: whether a database can be lent as a shadow. `marked` is our mark, `things` how many objects of a user are in it
-- (those of extensions apart), `power` what makes the role too powerful for foreign SQL, `owns` whether the database is its own.
-- PostgreSQL 13 to 18.
WITH members AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'e'
),
schemas AS (
    SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
)
SELECT
    COALESCE(pg_catalog.shobj_description(d.oid, 'pg_database'), '') AS mark,
    (
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS c JOIN schemas AS s ON s.oid = c.relnamespace
        WHERE NOT EXISTS (
            SELECT FROM members AS e WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
        )
    ) + (
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_proc AS p JOIN schemas AS s ON s.oid = p.pronamespace
        WHERE NOT EXISTS (
            SELECT FROM members AS e WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid
        )
    ) + (
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_type AS t JOIN schemas AS s ON s.oid = t.typnamespace
        WHERE t.typtype IN ('d', 'e', 'r') AND NOT EXISTS (
            SELECT FROM members AS e WHERE e.classid = 'pg_catalog.pg_type'::regclass AND e.objid = t.oid
        )
    ) + (
        SELECT pg_catalog.count(*) FROM schemas AS s
        WHERE s.nspname <> 'public' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_extension AS e WHERE e.extnamespace = s.oid
        )
    ) AS things,
    pg_catalog.concat_ws(
        ', ',
        CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolreplication THEN 'REPLICATION' END,
        CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
        (
            SELECT pg_catalog.string_agg('member of ' || g.rolname::text, ', ')
            FROM pg_catalog.pg_roles AS g
            WHERE g.rolname LIKE 'pg\_%' AND g.rolname <> 'pg_database_owner' AND pg_catalog.pg_has_role(r.oid, g.oid, 'MEMBER')
        )
    ) AS power,
    d.datdba = r.oid AS owns,
    pg_catalog.current_setting('lc_messages') AS language,
    ARRAY(SELECT o.rolname::text FROM pg_catalog.pg_roles AS o) AS roles,
    ARRAY(SELECT x.extname::text FROM pg_catalog.pg_extension AS x) AS extensions
FROM pg_catalog.pg_database AS d
JOIN pg_catalog.pg_roles AS r ON r.rolname = current_user
WHERE d.datname = pg_catalog.current_database()
