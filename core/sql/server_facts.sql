-- One row: the server and role that this connection reached, in the server's own words.
-- `address` is null over a Unix socket. `read_only` is what the next transaction will be; on a standby it cannot be anything else.
SELECT pg_catalog.current_setting('server_version') AS version,
       pg_catalog.current_setting('server_version_num')::integer AS version_num,
       pg_catalog.current_database()::text AS database,
       (SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS database_oid,
       current_user::text AS "user",
       pg_catalog.pg_backend_pid() AS backend,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('is_superuser') = 'on' AS superuser,
       pg_catalog.current_setting('transaction_read_only') = 'on' AS read_only,
       pg_catalog.host(pg_catalog.inet_server_addr()) || ':' || pg_catalog.inet_server_port() AS address
