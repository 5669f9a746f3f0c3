-- What a schema consists of, as rows of kind, object and facts (`name=value`); for a difference of before and after.
-- A fact whose name begins with ~ is a fingerprint that means something within one database only: stored trees hold oids.
-- $1 is a schema that is left out. What belongs to an extension is left out too. Roles and settings are not schema.
-- No function in it opens a table: pg_get_viewdef and its like would wait behind somebody's ACCESS EXCLUSIVE.
-- PostgreSQL 13 to 18.
WITH mine AS (
    SELECT n.oid, pg_catalog.quote_ident(n.nspname) AS name, n.nspname, n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1::text)
        AND n.nspname NOT LIKE 'pg\_toast%'
        AND n.nspname NOT LIKE 'pg\_temp\_%'
),
members AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'e'
),
relations AS (
    SELECT c.*, m.name || '.' || pg_catalog.quote_ident(c.relname) AS name
    FROM pg_catalog.pg_class AS c
    JOIN mine AS m ON m.oid = c.relnamespace
    WHERE c.relkind <> 't'
        AND NOT EXISTS (
            SELECT FROM members AS e WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
        )
)
SELECT 'schema' AS kind, m.name AS object,
    ARRAY['owner=' || pg_catalog.pg_get_userbyid(m.nspowner), 'rights=' || COALESCE(m.nspacl::text, '')] AS facts
FROM mine AS m
UNION ALL
SELECT
    CASE c.relkind
        WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'composite type'
    END,
    c.name,
    ARRAY[
        'owner=' || pg_catalog.pg_get_userbyid(c.relowner),
        'rights=' || COALESCE(c.relacl::text, ''),
        'options=' || COALESCE(c.reloptions::text, ''),
        'persistence=' || c.relpersistence::text,
        'partitioned=' || (c.relkind = 'p')::text,
        'partition=' || c.relispartition::text,
        'row security=' || c.relrowsecurity::text || CASE WHEN c.relforcerowsecurity THEN ', forced' ELSE '' END,
        'replica identity=' || c.relreplident::text,
        'tablespace=' || COALESCE(t.spcname::text, ''),
        'access method=' || COALESCE(a.amname::text, ''),
        'parents=' || COALESCE((
            SELECT pg_catalog.string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno)
            FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = c.oid
        ), ''),
        '~definition=' || COALESCE((
            SELECT pg_catalog.md5(w.ev_action::text) FROM pg_catalog.pg_rewrite AS w
            WHERE w.ev_class = c.oid AND w.rulename = '_RETURN'
        ), ''),
        'sequence=' || COALESCE((
            SELECT pg_catalog.concat_ws(' ', pg_catalog.format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin,
                q.seqmax, q.seqcache, q.seqcycle)
            FROM pg_catalog.pg_sequence AS q WHERE q.seqrelid = c.oid
        ), '')
    ]
FROM relations AS c
LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_am AS a ON a.oid = c.relam
WHERE c.relkind NOT IN ('i', 'I')
UNION ALL
SELECT 'column', c.name || '.' || pg_catalog.quote_ident(a.attname),
    ARRAY[
        'type=' || pg_catalog.format_type(a.atttypid, a.atttypmod),
        'not null=' || a.attnotnull::text,
        'default=' || (a.atthasdef AND a.attgenerated = '')::text,
        'identity=' || a.attidentity::text,
        'generated=' || a.attgenerated::text,
        'rights=' || COALESCE(a.attacl::text, ''),
        'collation=' || COALESCE((
            SELECT l.collname::text FROM pg_catalog.pg_collation AS l
            WHERE l.oid = a.attcollation AND a.attcollation <> t.typcollation
        ), ''),
        'storage=' || a.attstorage::text,
        '~expression=' || COALESCE((
            SELECT pg_catalog.md5(f.adbin::text) FROM pg_catalog.pg_attrdef AS f
            WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum
        ), '')
    ]
FROM pg_catalog.pg_attribute AS a
JOIN relations AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT 'index', c.name,
    ARRAY[
        'table=' || r.name,
        'method=' || m.amname::text,
        'unique=' || i.indisunique::text,
        'valid=' || i.indisvalid::text,
        'columns=' || COALESCE((
            SELECT pg_catalog.string_agg(COALESCE(a.attname::text, '(expression)'), ', ' ORDER BY k.number)
            FROM pg_catalog.unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, number)
            LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
        ), ''),
        'keys=' || i.indnkeyatts::text,
        'partial=' || (i.indpred IS NOT NULL)::text,
        'options=' || COALESCE(c.reloptions::text, ''),
        'tablespace=' || COALESCE(t.spcname::text, ''),
        '~expression=' || pg_catalog.md5(pg_catalog.concat(i.indexprs::text, i.indpred::text))
    ]
FROM pg_catalog.pg_index AS i
JOIN relations AS c ON c.oid = i.indexrelid
JOIN relations AS r ON r.oid = i.indrelid
JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
UNION ALL
SELECT 'constraint', c.name || '.' || pg_catalog.quote_ident(o.conname),
    ARRAY[
        'type=' || o.contype::text,
        'validated=' || o.convalidated::text,
        'deferrable=' || o.condeferrable::text || CASE WHEN o.condeferred THEN ', deferred' ELSE '' END,
        'columns=' || COALESCE((
            SELECT pg_catalog.string_agg(a.attname::text, ', ' ORDER BY k.number)
            FROM pg_catalog.unnest(o.conkey) WITH ORDINALITY AS k (attnum, number)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = o.conrelid AND a.attnum = k.attnum
        ), ''),
        'references=' || COALESCE(NULLIF(o.confrelid, 0)::regclass::text, ''),
        'actions=' || o.confupdtype::text || o.confdeltype::text,
        '~expression=' || COALESCE(pg_catalog.md5(o.conbin::text), '')
    ]
FROM pg_catalog.pg_constraint AS o
JOIN relations AS c ON c.oid = o.conrelid
WHERE o.contype <> 't'
UNION ALL
SELECT 'trigger', c.name || '.' || pg_catalog.quote_ident(g.tgname),
    ARRAY[
        'enabled=' || g.tgenabled::text,
        'function=' || g.tgfoid::regproc::text,
        'kind=' || g.tgtype::text,
        '~condition=' || COALESCE(pg_catalog.md5(g.tgqual::text), '')
    ]
FROM pg_catalog.pg_trigger AS g
JOIN relations AS c ON c.oid = g.tgrelid
WHERE NOT g.tgisinternal
UNION ALL
SELECT 'policy', c.name || '.' || pg_catalog.quote_ident(p.polname),
    ARRAY[
        'command=' || p.polcmd::text,
        'permissive=' || p.polpermissive::text,
        '~expression=' || pg_catalog.md5(pg_catalog.concat(p.polqual::text, p.polwithcheck::text))
    ]
FROM pg_catalog.pg_policy AS p
JOIN relations AS c ON c.oid = p.polrelid
UNION ALL
SELECT 'rule', c.name || '.' || pg_catalog.quote_ident(w.rulename),
    ARRAY['enabled=' || w.ev_enabled::text, '~definition=' || pg_catalog.md5(w.ev_action::text)]
FROM pg_catalog.pg_rewrite AS w
JOIN relations AS c ON c.oid = w.ev_class
WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
    m.name || '.' || pg_catalog.quote_ident(p.proname) || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')',
    ARRAY[
        'owner=' || pg_catalog.pg_get_userbyid(p.proowner),
        'rights=' || COALESCE(p.proacl::text, ''),
        'language=' || l.lanname::text,
        'returns=' || CASE WHEN p.proretset THEN 'setof ' ELSE '' END || pg_catalog.format_type(p.prorettype, NULL),
        'volatility=' || p.provolatile::text,
        'security definer=' || p.prosecdef::text,
        'settings=' || COALESCE(p.proconfig::text, ''),
        'source=' || pg_catalog.md5(COALESCE(p.prosrc, ''))
    ]
FROM pg_catalog.pg_proc AS p
JOIN mine AS m ON m.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE NOT EXISTS (SELECT FROM members AS e WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid)
UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum' WHEN 'r' THEN 'range' ELSE 'type' END,
    m.name || '.' || pg_catalog.quote_ident(t.typname),
    ARRAY[
        'owner=' || pg_catalog.pg_get_userbyid(t.typowner),
        'rights=' || COALESCE(t.typacl::text, ''),
        'base=' || COALESCE(pg_catalog.format_type(NULLIF(t.typbasetype, 0), t.typtypmod), ''),
        'not null=' || t.typnotnull::text,
        'labels=' || COALESCE((
            SELECT pg_catalog.string_agg(u.enumlabel::text, ', ' ORDER BY u.enumsortorder)
            FROM pg_catalog.pg_enum AS u WHERE u.enumtypid = t.oid
        ), ''),
        'constraints=' || COALESCE((
            SELECT pg_catalog.string_agg(o.conname::text || CASE WHEN o.convalidated THEN '' ELSE ' (not valid)' END,
                ', ' ORDER BY o.conname)
            FROM pg_catalog.pg_constraint AS o WHERE o.contypid = t.oid AND o.contype <> 'n'
        ), '')
    ]
FROM pg_catalog.pg_type AS t
JOIN mine AS m ON m.oid = t.typnamespace
WHERE t.typtype IN ('d', 'e', 'r')
    AND NOT EXISTS (SELECT FROM members AS e WHERE e.classid = 'pg_catalog.pg_type'::regclass AND e.objid = t.oid)
UNION ALL
SELECT 'statistics', m.name || '.' || pg_catalog.quote_ident(x.stxname),
    ARRAY['table=' || x.stxrelid::regclass::text, 'kinds=' || x.stxkind::text, 'columns=' || x.stxkeys::text]
FROM pg_catalog.pg_statistic_ext AS x
JOIN mine AS m ON m.oid = x.stxnamespace
UNION ALL
SELECT 'extension', pg_catalog.quote_ident(e.extname), ARRAY['schema=' || n.nspname::text]
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
UNION ALL
SELECT 'publication', pg_catalog.quote_ident(b.pubname),
    ARRAY['owner=' || pg_catalog.pg_get_userbyid(b.pubowner), 'all tables=' || b.puballtables::text,
        'tables=' || COALESCE((
            SELECT pg_catalog.string_agg(r.prrelid::regclass::text, ', ' ORDER BY r.prrelid::regclass::text)
            FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = b.oid
        ), '')]
FROM pg_catalog.pg_publication AS b
UNION ALL
SELECT 'default rights',
    pg_catalog.pg_get_userbyid(d.defaclrole)::text || COALESCE(' in ' || m.name, '') || ' on ' || d.defaclobjtype::text,
    ARRAY['rights=' || d.defaclacl::text]
FROM pg_catalog.pg_default_acl AS d
LEFT JOIN mine AS m ON m.oid = d.defaclnamespace
WHERE d.defaclnamespace = 0 OR m.oid IS NOT NULL
