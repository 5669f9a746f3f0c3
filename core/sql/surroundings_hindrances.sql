-- What else may be in a run's way, as rows of kind, name, detail, age in seconds, relation and lock mode: prepared
-- transactions of this database with the table-level locks that they hold (one row per lock, or one without), standbys
-- and replication slots with the bytes that they are behind, and event triggers with their tags.
-- Nothing here locks a relation but the catalogs'. PostgreSQL 13 to 18.
WITH position AS (
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT
    'prepared transaction' AS kind,
    x.gid AS name,
    x.owner::text AS detail,
    extract(epoch FROM pg_catalog.now() - x.prepared)::float8 AS age,
    l.relation::bigint AS relation,
    l.mode AS mode,
    NULL::float8 AS bytes
FROM pg_catalog.pg_prepared_xacts AS x
-- its locks have no process, and share the virtual transaction of the lock on its own number
LEFT JOIN pg_catalog.pg_locks AS o
    ON o.pid IS NULL AND o.locktype = 'transactionid' AND o.transactionid = x.transaction AND o.granted
LEFT JOIN pg_catalog.pg_locks AS l
    ON l.pid IS NULL AND l.locktype = 'relation' AND l.granted
    AND l.virtualtransaction = o.virtualtransaction
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = x.database)
WHERE x.database = pg_catalog.current_database()
UNION ALL
SELECT 'standby', COALESCE(NULLIF(r.application_name, ''), 'pid ' || r.pid), COALESCE(r.state, ''),
    NULL, NULL, NULL,
    pg_catalog.pg_wal_lsn_diff(position.lsn, r.replay_lsn)::float8
FROM pg_catalog.pg_stat_replication AS r CROSS JOIN position
WHERE position.lsn IS NOT NULL AND r.state = 'streaming'
UNION ALL
SELECT 'slot', s.slot_name::text, CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL, NULL, s.wal_status,
    pg_catalog.pg_wal_lsn_diff(position.lsn, s.restart_lsn)::float8
FROM pg_catalog.pg_replication_slots AS s CROSS JOIN position
WHERE position.lsn IS NOT NULL AND NOT s.temporary
UNION ALL
SELECT 'event trigger', t.evtname::text, p.proname::text, NULL, NULL,
    t.evtevent || COALESCE(':' || pg_catalog.array_to_string(t.evttags, ','), ''), NULL
FROM pg_catalog.pg_event_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.evtfoid
WHERE t.evtenabled IN ('O', 'A') AND t.evtevent <> 'login'
ORDER BY 1, 2
