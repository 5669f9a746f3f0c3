-- One row: whether backend $1 is gone or idle outside a transaction, and how many locks it holds on relations.
SELECT (SELECT activity.state FROM pg_catalog.pg_stat_activity AS activity WHERE activity.pid = $1) AS state,
       (SELECT count(*) FROM pg_catalog.pg_locks AS lock
         WHERE lock.pid = $1 AND lock.locktype IN ('relation', 'transactionid', 'advisory')) AS locks
