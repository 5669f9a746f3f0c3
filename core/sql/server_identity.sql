-- One row: which cluster this is. A copy or a standby has the same system identifier; a promotion starts a new timeline,
-- which the control file has only after the next checkpoint, and the name of the WAL file that is written to at once.
-- Apart from the other facts, because a managed service may withhold these functions.
SELECT system.system_identifier::text AS system_identifier,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())
            ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::integer
       END AS timeline_id
  FROM pg_catalog.pg_control_system() AS system
