-- One row: which cluster this is. A copy or a standby has the same system identifier; a promotion starts a new timeline.
-- Apart from the other facts, because a managed service may withhold these functions.
SELECT system.system_identifier::text AS system_identifier,
       checkpoint.timeline_id
  FROM pg_catalog.pg_control_system() AS system,
       pg_catalog.pg_control_checkpoint() AS checkpoint
