-- One row per migration in force, in the order in which they were applied.
SELECT version, name, file, checksum, checksum_normalised, applied_at, duration_ms, operator, run_id, deferred
  FROM {schema}.migration
 ORDER BY applied_at, version
