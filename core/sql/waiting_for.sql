-- At most one row: what backend $1 waits for, with the manual's words for the mode (ACCESS EXCLUSIVE, where pg_locks
-- says AccessExclusiveLock). A relation that only our transaction knows has no name here.
SELECT CASE lock.locktype
           WHEN 'relation' THEN words.mode || ' on ' || COALESCE(
               (SELECT pg_catalog.quote_ident(pg_namespace.nspname) || '.' || pg_catalog.quote_ident(pg_class.relname)
                  FROM pg_catalog.pg_class
                  JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pg_class.relnamespace
                 WHERE pg_class.oid = lock.relation),
               'relation ' || lock.relation::text)
           WHEN 'virtualxid' THEN 'the end of an older transaction'
           WHEN 'transactionid' THEN 'the end of transaction ' || lock.transactionid::text
           ELSE words.mode || ' on a ' || lock.locktype
       END AS waiting_for
  FROM pg_catalog.pg_locks AS lock
 CROSS JOIN LATERAL (
     SELECT pg_catalog.upper(pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(lock.mode, 'Lock$', ''), '([a-z])([A-Z])', '\1 \2', 'g')) AS mode
 ) AS words
 WHERE lock.pid = $1
   AND NOT lock.granted
 LIMIT 1
