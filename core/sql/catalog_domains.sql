-- Every domain: the type that it is over, whether it refuses nulls, and its constraints with whether each was validated.
-- `positive!` in checks is a valid one, `positive?` one that was added NOT VALID.
-- PostgreSQL 13 to 18; from 18 on NOT NULL is a constraint too.
SELECT
    t.oid::bigint AS oid,
    pg_catalog.format_type(t.typbasetype, t.typtypmod) AS base,
    t.typbasetype::bigint AS base_oid,
    t.typnotnull AS not_null,
    COALESCE(
        (
            SELECT pg_catalog.array_agg(o.conname::text || CASE WHEN o.convalidated THEN '!' ELSE '?' END)
            FROM pg_catalog.pg_constraint AS o
            WHERE o.contypid = t.oid
        ),
        ARRAY[]::text[]
    ) AS checks
FROM pg_catalog.pg_type AS t
WHERE t.typtype = 'd'
