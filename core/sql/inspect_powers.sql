-- At most one row: the first thing found by which our role could write if a transaction let it, in words; no row where it
-- cannot write at all. That is the difference between "read-only transaction" and "read-only role".
-- What a role can become counts as its own, with and without INHERIT (MEMBER): SET ROLE is one statement away. Privileges
-- are read from the lists in the catalog, once for all relations: has_table_privilege, asked per table and per role, would
-- not stay quick with 10,000 tables. An empty list means the owner's alone. Grants of the system's own schemas are left
-- out: UPDATE on pg_settings, which everybody has, is SET in other words. Functions that run with their owner's rights
-- (SECURITY DEFINER) may write for whoever may call them. Temporary tables, large objects and advisory locks do not count.
-- See https://www.postgresql.org/docs/18/ddl-priv.html and https://www.postgresql.org/docs/18/predefined-roles.html.
-- PostgreSQL 13 to 18.
WITH me AS MATERIALIZED (
    SELECT r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication
    FROM pg_catalog.pg_roles AS r
    WHERE pg_catalog.pg_has_role(r.oid, 'MEMBER')
), grantees AS MATERIALIZED (
    SELECT me.oid FROM me UNION ALL SELECT 0::oid
), ours AS MATERIALIZED (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
), found AS (
    SELECT 1 AS number, 'superuser' AS power FROM me WHERE me.rolsuper
    UNION ALL
    SELECT 2, 'attribute CREATEROLE, CREATEDB or REPLICATION' FROM me
    WHERE me.rolcreaterole OR me.rolcreatedb OR me.rolreplication
    UNION ALL
    SELECT 3, 'member of ' || me.rolname FROM me
    WHERE me.rolname IN (
        'pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program', 'pg_maintain', 'pg_create_subscription'
    )
    UNION ALL
    SELECT 4, 'CREATE on this database' FROM pg_catalog.pg_database AS d
    WHERE d.datname = pg_catalog.current_database()
        AND (d.datdba IN (SELECT me.oid FROM me) OR EXISTS (
            SELECT FROM pg_catalog.aclexplode(d.datacl) AS a
            WHERE a.privilege_type = 'CREATE' AND a.grantee IN (SELECT g.oid FROM grantees AS g)
        ))
    UNION ALL
    SELECT 5, 'CREATE on schema ' || n.nspname FROM ours AS n
    WHERE n.nspowner IN (SELECT me.oid FROM me) OR EXISTS (
        SELECT FROM pg_catalog.aclexplode(n.nspacl) AS a
        WHERE a.privilege_type = 'CREATE' AND a.grantee IN (SELECT g.oid FROM grantees AS g)
    )
    UNION ALL
    SELECT 6, 'owner of ' || n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class AS c JOIN ours AS n ON n.oid = c.relnamespace
    WHERE c.relowner IN (SELECT me.oid FROM me)
    UNION ALL
    SELECT 7, a.privilege_type || ' on ' || n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class AS c
    JOIN ours AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
    WHERE c.relacl IS NOT NULL
        AND a.grantee IN (SELECT g.oid FROM grantees AS g)
        AND (a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'MAINTAIN')
            OR (c.relkind = 'S' AND a.privilege_type = 'USAGE'))
    UNION ALL
    SELECT 8, a.privilege_type || ' on a column of ' || n.nspname || '.' || c.relname
    FROM pg_catalog.pg_attribute AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.attrelid
    JOIN ours AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
    WHERE t.attacl IS NOT NULL
        AND a.grantee IN (SELECT g.oid FROM grantees AS g)
        AND a.privilege_type IN ('INSERT', 'UPDATE')
    UNION ALL
    SELECT 9, 'may call ' || n.nspname || '.' || p.proname || '(), which runs with its owner''s rights'
    FROM pg_catalog.pg_proc AS p JOIN ours AS n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
)
SELECT found.power::text AS power FROM found ORDER BY found.number, found.power LIMIT 1
