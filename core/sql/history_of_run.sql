-- One row per entry of the attempt log that the run $1 (a uuid as text) wrote, oldest first. `committed`: it was written
-- inside the transaction of the migration itself, so the migration is committed if the row is there. The rows of steps
-- outside a transaction have no xid; `steps` says how far they came.
SELECT version, entry, state, xid IS NOT NULL AS committed, xid::text AS xid, steps::text AS steps
  FROM {schema}.attempt
 WHERE run_id = $1::text::pg_catalog.uuid
 ORDER BY id
