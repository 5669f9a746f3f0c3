-- One row where the backend with pid $1 that began at $2 (text, as `our_backends` gives it) was told to end; none where
-- it is gone, or another one has its pid now.
SELECT pg_catalog.pg_terminate_backend(activity.pid) AS sent
  FROM pg_catalog.pg_stat_activity AS activity
 WHERE activity.pid = $1
   AND activity.backend_start::text = $2::text
   AND activity.application_name LIKE 'changeover %'
