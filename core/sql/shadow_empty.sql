-- Drops everything of a user from a database that carries our mark: publications, schemas, and in a schema that an
-- extension lives in what is not the extension's. Returns nothing. PostgreSQL 13 to 18.
DO $$
DECLARE
    thing record;
BEGIN
    IF COALESCE((
        SELECT pg_catalog.shobj_description(d.oid, 'pg_database') FROM pg_catalog.pg_database AS d
        WHERE d.datname = pg_catalog.current_database()
    ), '') <> 'changeover shadow' THEN
        RAISE EXCEPTION 'this database is no shadow';
    END IF;
    FOR thing IN SELECT b.pubname AS name FROM pg_catalog.pg_publication AS b LOOP
        EXECUTE pg_catalog.format('DROP PUBLICATION %I', thing.name);
    END LOOP;
    FOR thing IN
        SELECT n.nspname AS name FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'public')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extnamespace = n.oid)
    LOOP
        EXECUTE pg_catalog.format('DROP SCHEMA %I CASCADE', thing.name);
    END LOOP;
    FOR thing IN
        SELECT c.oid,
            CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END AS kind
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND n.nspname NOT LIKE 'pg\_%'
            AND n.nspname <> 'information_schema'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'e' AND d.objid = c.oid)
    LOOP
        -- something before it may have taken it along
        IF EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = thing.oid) THEN
            EXECUTE pg_catalog.format('DROP %s %s CASCADE', thing.kind, thing.oid::regclass);
        END IF;
    END LOOP;
    FOR thing IN
        SELECT p.oid FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'e' AND d.objid = p.oid)
    LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_proc AS p WHERE p.oid = thing.oid) THEN
            EXECUTE pg_catalog.format('DROP ROUTINE %s CASCADE', thing.oid::regprocedure);
        END IF;
    END LOOP;
    FOR thing IN
        SELECT t.oid, t.typtype FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
        WHERE t.typtype IN ('d', 'e', 'r') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'e' AND d.objid = t.oid)
    LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_type AS t WHERE t.oid = thing.oid) THEN
            EXECUTE pg_catalog.format('DROP TYPE %s CASCADE', thing.oid::regtype);
        END IF;
    END LOOP;
END $$
