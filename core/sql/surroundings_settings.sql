-- One row per setting that changes what a run does and is not as PostgreSQL ships it, and always one for
-- deadlock_timeout, before which no autovacuum gives way: its value as a new connection of
-- this role to this database gets it (reset_val: our own SETs do not count), and what set it there, the most specific
-- one. See https://www.postgresql.org/docs/18/config-setting.html#CONFIG-SETTING-SQL.
-- PostgreSQL 13 to 18.
WITH sources AS (
    SELECT
        pg_catalog.split_part(pair, '=', 1) AS name,
        CASE
            WHEN s.setrole <> 0 AND s.setdatabase <> 0 THEN 'role ' || pg_catalog.quote_ident(session_user) || ' in database '
                || pg_catalog.quote_ident(pg_catalog.current_database())
            WHEN s.setrole <> 0 THEN 'role ' || pg_catalog.quote_ident(session_user)
            WHEN s.setdatabase <> 0 THEN 'database ' || pg_catalog.quote_ident(pg_catalog.current_database())
            ELSE 'all roles'
        END AS source,
        (s.setrole <> 0)::int * 2 + (s.setdatabase <> 0)::int AS weight
    FROM pg_catalog.pg_db_role_setting AS s
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS pair
    WHERE s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
        AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
)
SELECT
    s.name,
    s.reset_val AS value,
    s.unit,
    COALESCE(
        (SELECT o.source FROM sources AS o WHERE pg_catalog.lower(o.name) = pg_catalog.lower(s.name)
         ORDER BY o.weight DESC LIMIT 1),
        'the server') AS source
FROM pg_catalog.pg_settings AS s
WHERE s.name = 'deadlock_timeout' OR s.reset_val IS DISTINCT FROM s.boot_val
    AND s.name IN (
        'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout',
        'idle_session_timeout', 'default_transaction_read_only', 'default_transaction_isolation', 'synchronous_commit',
        'session_replication_role', 'search_path', 'role', 'default_tablespace', 'default_table_access_method',
        'check_function_bodies', 'row_security', 'event_triggers'
    )
ORDER BY s.name
