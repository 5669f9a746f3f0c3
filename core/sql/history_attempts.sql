-- One row per version: the newest entry of the attempt log. `steps` as text, so that no type codec is needed.
SELECT DISTINCT ON (version)
       version, entry, state, run_id, recorded_at, operator, sqlstate, error, steps::text AS steps
  FROM {schema}.attempt
 ORDER BY version, id DESC
