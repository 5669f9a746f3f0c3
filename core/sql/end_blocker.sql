-- At most one row: whether the signal was sent to backend $1, where it is still the one that began at $2 and is an
-- ordinary connection: never a background worker, a replication sender, or a superuser's. $3 is cancel or terminate.
SELECT CASE $3
           WHEN 'cancel' THEN pg_catalog.pg_cancel_backend(activity.pid)
           WHEN 'terminate' THEN pg_catalog.pg_terminate_backend(activity.pid)
       END AS sent
  FROM pg_catalog.pg_stat_activity AS activity
  JOIN pg_catalog.pg_roles AS role ON role.oid = activity.usesysid
 WHERE activity.pid = $1
   AND activity.backend_start = $2::text::timestamptz
   AND activity.backend_type = 'client backend'
   AND NOT role.rolsuper
   AND activity.pid <> pg_catalog.pg_backend_pid()
