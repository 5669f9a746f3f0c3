-- One row per right that was asked for ($1 kinds, $2 schemas, $3 names, $4 rights, side by side): whether our role has
-- it, has a part of it (some columns, some functions of that name), and who owns the object. `held` is null where the
-- object is not there. Asked of the server itself, because only it knows memberships, PUBLIC and inheritance; none of
-- these functions locks what it is asked about. See https://www.postgresql.org/docs/18/functions-info.html.
-- PostgreSQL 13 to 18.
WITH wanted AS (
    SELECT *
    FROM ROWS FROM (
        pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]),
        pg_catalog.unnest($4::text[])
    ) WITH ORDINALITY AS w (kind, schema, name, "right", number)
), me AS (
    SELECT r.* FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user
)
SELECT
    w.number::int AS number,
    CASE
        WHEN w."right" = 'owner' THEN pg_catalog.pg_has_role(c.relowner, 'USAGE')
        WHEN w."right" = 'owner to drop it' THEN pg_catalog.pg_has_role(c.relowner, 'USAGE')
            OR pg_catalog.pg_has_role(n.nspowner, 'USAGE')
        WHEN c.relkind = 'S' THEN w."right" NOT IN ('SELECT', 'UPDATE', 'USAGE')
            OR pg_catalog.has_sequence_privilege(c.oid, w."right")
        ELSE pg_catalog.has_table_privilege(c.oid, w."right")
    END AS held,
    w."right" IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND c.relkind <> 'S'
        AND pg_catalog.has_any_column_privilege(c.oid, w."right") AS partly,
    pg_catalog.pg_get_userbyid(c.relowner)::text AS owner
FROM wanted AS w
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
WHERE w.kind = 'relation'
UNION ALL
SELECT
    w.number,
    CASE WHEN w."right" = 'owner' THEN pg_catalog.pg_has_role(n.nspowner, 'USAGE')
        ELSE pg_catalog.has_schema_privilege(n.oid, w."right") END,
    false, pg_catalog.pg_get_userbyid(n.nspowner)::text
FROM wanted AS w
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.name
WHERE w.kind = 'schema'
UNION ALL
SELECT
    w.number,
    CASE WHEN w."right" = 'owner' THEN pg_catalog.pg_has_role(d.datdba, 'USAGE')
        ELSE pg_catalog.has_database_privilege(d.oid, w."right") END,
    false, pg_catalog.pg_get_userbyid(d.datdba)::text
FROM wanted AS w
JOIN pg_catalog.pg_database AS d ON d.datname = w.name
WHERE w.kind = 'database'
UNION ALL
SELECT
    w.number,
    CASE WHEN w."right" = 'ADMIN OPTION'
        THEN pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
            OR (me.rolcreaterole AND NOT r.rolsuper AND pg_catalog.current_setting('server_version_num')::int < 160000)
        ELSE pg_catalog.pg_has_role(r.oid, w."right") END,
    false, ''
FROM wanted AS w
CROSS JOIN me
JOIN pg_catalog.pg_roles AS r ON r.rolname = w.name
WHERE w.kind = 'role'
UNION ALL
SELECT w.number, pg_catalog.bool_and(pg_catalog.pg_has_role(t.typowner, 'USAGE')), false,
    pg_catalog.min(pg_catalog.pg_get_userbyid(t.typowner)::text)
FROM wanted AS w
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
JOIN pg_catalog.pg_type AS t ON t.typnamespace = n.oid AND t.typname = w.name
WHERE w.kind = 'type'
GROUP BY w.number
UNION ALL
SELECT w.number, pg_catalog.bool_and(pg_catalog.pg_has_role(p.proowner, 'USAGE')),
    pg_catalog.bool_or(pg_catalog.pg_has_role(p.proowner, 'USAGE')),
    pg_catalog.min(pg_catalog.pg_get_userbyid(p.proowner)::text)
FROM wanted AS w
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.proname = w.name
WHERE w.kind = 'function'
GROUP BY w.number
UNION ALL
SELECT w.number,
    me.rolsuper OR (l.lanpltrusted AND pg_catalog.has_language_privilege(l.oid, 'USAGE')),
    l.lanpltrusted, pg_catalog.pg_get_userbyid(l.lanowner)::text
FROM wanted AS w
CROSS JOIN me
JOIN pg_catalog.pg_language AS l ON l.lanname = w.name
WHERE w.kind = 'language'
UNION ALL
SELECT w.number, pg_catalog.pg_has_role(e.extowner, 'USAGE'), false, pg_catalog.pg_get_userbyid(e.extowner)::text
FROM wanted AS w
JOIN pg_catalog.pg_extension AS e ON e.extname = w.name
WHERE w.kind = 'extension' AND w."right" = 'owner'
UNION ALL
-- What may be installed: by anybody, or as a trusted extension by who may create in the database, or by a superuser.
SELECT w.number,
    pg_catalog.bool_or(me.rolsuper OR NOT v.superuser OR (v.trusted
        AND pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'))),
    pg_catalog.bool_or(v.trusted), ''
FROM wanted AS w
CROSS JOIN me
JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = w.name
JOIN pg_catalog.pg_available_extensions AS a ON a.name = v.name
WHERE w.kind = 'extension' AND w."right" = 'install' AND v.version = COALESCE(NULLIF(w.schema, ''), a.default_version)
GROUP BY w.number
UNION ALL
SELECT w.number, me.rolsuper OR s.context = 'user', false, ''
FROM wanted AS w
CROSS JOIN me
JOIN pg_catalog.pg_settings AS s ON pg_catalog.lower(s.name) = pg_catalog.lower(w.name)
WHERE w.kind = 'parameter'
UNION ALL
SELECT w.number,
    me.rolsuper OR CASE w."right"
        WHEN 'CREATEROLE' THEN me.rolcreaterole
        WHEN 'CREATEDB' THEN me.rolcreatedb
        ELSE false END,
    false, ''
FROM wanted AS w
CROSS JOIN me
WHERE w.kind = 'attribute'
ORDER BY 1
