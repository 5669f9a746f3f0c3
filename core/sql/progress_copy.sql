-- At most one row, as progress.sql: COPY, which PostgreSQL reports since version 14.
SELECT 'copy' AS view, pg_catalog.to_jsonb(progress)::text AS row
  FROM pg_catalog.pg_stat_progress_copy AS progress WHERE progress.pid = $1
