-- Triggers, policies and rules by the relation that they belong to: names that a statement may need or find taken.
-- Of a trigger, the function that it calls.
-- PostgreSQL 13 to 18.
SELECT t.tgrelid::bigint AS relation, 'trigger' AS kind, t.tgname::text AS name, f.proname::text AS function,
    n.nspname::text AS function_schema
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
WHERE NOT t.tgisinternal
UNION ALL
SELECT p.polrelid::bigint, 'policy', p.polname::text, '', ''
FROM pg_catalog.pg_policy AS p
UNION ALL
SELECT r.ev_class::bigint, 'rule', r.rulename::text, '', ''
FROM pg_catalog.pg_rewrite AS r
WHERE r.rulename <> '_RETURN'
