-- At most one row: what backend $1 reports in a progress view of PostgreSQL 13 and later, with all columns of the view
-- as JSON, because they differ from version to version. The views read shared memory and wait for no lock.
-- See https://www.postgresql.org/docs/18/progress-reporting.html.
SELECT 'create_index' AS view, pg_catalog.to_jsonb(progress)::text AS row
  FROM pg_catalog.pg_stat_progress_create_index AS progress WHERE progress.pid = $1
 UNION ALL
SELECT 'cluster', pg_catalog.to_jsonb(progress)::text
  FROM pg_catalog.pg_stat_progress_cluster AS progress WHERE progress.pid = $1
 UNION ALL
SELECT 'vacuum', pg_catalog.to_jsonb(progress)::text
  FROM pg_catalog.pg_stat_progress_vacuum AS progress WHERE progress.pid = $1
 UNION ALL
SELECT 'analyze', pg_catalog.to_jsonb(progress)::text
  FROM pg_catalog.pg_stat_progress_analyze AS progress WHERE progress.pid = $1
