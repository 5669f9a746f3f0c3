-- One row per relation of $1 (oids): rows and bytes by the planner's own figures, with its indexes and its TOAST table,
-- and counters of use, which the server's statistics add up: scans begun, rows written. `at` is when they were read.
-- Not the size functions: they take a lock, and would wait behind a migration that waits for ACCESS EXCLUSIVE.
-- PostgreSQL 13 to 18.
SELECT
    c.oid::bigint AS oid,
    CASE
        -- before 14, a table that was never analysed had 0 rows on 0 pages, as an empty one has
        WHEN c.reltuples = 0 AND c.relpages = 0 AND pg_catalog.current_setting('server_version_num')::int < 140000
            THEN -1
        ELSE c.reltuples::float8
    END AS rows,
    c.relpages::bigint * b.size AS bytes,
    COALESCE((SELECT pg_catalog.sum(i.relpages::bigint) FROM pg_catalog.pg_index AS x
        JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid), 0)::bigint * b.size
        AS index_bytes,
    COALESCE((SELECT t.relpages::bigint FROM pg_catalog.pg_class AS t WHERE t.oid = c.reltoastrelid), 0) * b.size
        AS toast_bytes,
    pg_catalog.pg_stat_get_numscans(c.oid) + COALESCE((SELECT pg_catalog.sum(pg_catalog.pg_stat_get_numscans(x.indexrelid))
        FROM pg_catalog.pg_index AS x WHERE x.indrelid = c.oid), 0)::bigint AS scans,
    pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
        + pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS writes,
    extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at
FROM pg_catalog.pg_class AS c
CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::bigint AS size) AS b
WHERE c.oid = ANY ($1::bigint[]::oid[])
