-- One row per setting that new connections to this database get: whose it is, and `name=value`.
-- See https://www.postgresql.org/docs/18/catalog-pg-db-role-setting.html.
SELECT CASE
           WHEN setting.setrole = 0 AND setting.setdatabase = 0 THEN 'every role in every database'
           WHEN setting.setrole = 0 THEN 'database ' || pg_catalog.quote_ident(pg_catalog.current_database())
           WHEN setting.setdatabase = 0 THEN 'role ' || pg_catalog.quote_ident(role.rolname)
           ELSE 'role ' || pg_catalog.quote_ident(role.rolname) || ' in database '
                || pg_catalog.quote_ident(pg_catalog.current_database())
       END AS object,
       value
  FROM pg_catalog.pg_db_role_setting AS setting
  LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = setting.setrole
 CROSS JOIN LATERAL pg_catalog.unnest(setting.setconfig) AS value
 WHERE setting.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
 ORDER BY 1, 2
