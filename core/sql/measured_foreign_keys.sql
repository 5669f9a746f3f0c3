-- Both ends of the foreign keys named $1, down to the leaves of partitioned tables, as the transaction sees them.
-- For a shadow only. PostgreSQL 13 to 18.
SELECT DISTINCT t.relid::bigint AS oid
FROM pg_catalog.pg_constraint AS o
CROSS JOIN LATERAL (VALUES (o.conrelid), (o.confrelid)) AS e (relation)
CROSS JOIN LATERAL (
    SELECT p.relid::oid AS relid FROM pg_catalog.pg_partition_tree(e.relation::regclass) AS p WHERE p.isleaf
    UNION ALL
    SELECT e.relation
) AS t
WHERE o.contype = 'f' AND o.conname = ANY ($1::text[])
