-- The schema on which the forms are measured: every kind of relation that a lock or a scan can reach, with rows.
-- PostgreSQL 13 to 18; run as a superuser in an empty database whose TimeZone is not UTC. Roles: score_other, score_owner.
CREATE SCHEMA shop;
CREATE SCHEMA "Lager";
CREATE SCHEMA attic;
SET search_path = shop, public;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE spare_mood AS ENUM ('low', 'high');
CREATE TYPE pair AS (a integer, b text);
CREATE DOMAIN plain_int AS integer;
CREATE DOMAIN plain_text AS text;
CREATE DOMAIN small_name AS varchar(30);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN required AS integer NOT NULL;
CREATE DOMAIN over_positive AS positive;
CREATE DOMAIN loose AS integer;
ALTER DOMAIN loose ADD CONSTRAINT loose_min CHECK (VALUE > -1000) NOT VALID;
CREATE DOMAIN unused AS integer;
CREATE SEQUENCE tickets;

CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION roll() RETURNS integer LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 4; END';
CREATE FUNCTION steady() RETURNS integer LANGUAGE sql STABLE AS 'SELECT 4';
CREATE FUNCTION fixed(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION spare_function() RETURNS integer LANGUAGE sql AS 'SELECT 1';

-- referenced by others
CREATE TABLE people (
    id integer PRIMARY KEY, code varchar(20) NOT NULL UNIQUE, name text, born date
);
INSERT INTO people SELECT g, 'c' || g, 'n' || g, date '1950-01-01' + g FROM generate_series(1, 1000) AS g;

-- references others, and has something of everything
CREATE TABLE orders (
    id integer PRIMARY KEY,
    person integer NOT NULL CONSTRAINT orders_person_fk REFERENCES people,
    helper integer,
    qty integer,
    small smallint DEFAULT 1,
    label varchar(10) DEFAULT 'x',
    checked varchar(10) CONSTRAINT orders_checked CHECK (checked <> 'bad'),
    proven integer CONSTRAINT orders_proven CHECK (proven IS NOT NULL),
    proven_and integer CONSTRAINT orders_proven_and CHECK (proven_and IS NOT NULL AND proven_and > 0),
    unproven integer,
    body text,
    note text,
    price numeric(10, 2),
    at timestamp,
    at3 timestamp(3),
    atz timestamptz,
    clock time(3),
    span interval(3),
    bits bit varying(5),
    fixed_bits bit(4),
    fixed_char char(5),
    net cidr,
    host inet,
    doc json,
    docb jsonb,
    tags varchar(10)[],
    feeling mood,
    uid uuid,
    flag boolean,
    real4 real,
    ratio double precision,
    big bigint,
    xid_like oid,
    raw bytea,
    money_like money,
    partial_key varchar(10),
    expr_key varchar(10)
);
INSERT INTO orders (id, person, helper, qty, checked, proven, proven_and, unproven, body, note, price, at, at3, atz, clock,
        span, bits, fixed_bits, fixed_char, net, host, doc, docb, tags, feeling, uid, flag, real4, ratio, big, xid_like, raw,
        money_like, partial_key, expr_key)
    SELECT g, g, g, g, 'good', g, g, g, 'b' || g, g::text, g, '2020-01-01', '2020-01-01', '2020-01-01', '12:00',
        '1 hour', B'101', B'1010', 'ab', '10.0.0.0/8', '10.0.0.1', '{}', '{}', ARRAY['a'], 'ok',
        ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, true, g, g, g, g, '\x00', 1, 'p' || g, 'e' || g
    FROM generate_series(1, 1000) AS g;
ALTER TABLE orders ADD CONSTRAINT orders_helper_fk FOREIGN KEY (helper) REFERENCES people NOT VALID;
ALTER TABLE orders ADD CONSTRAINT orders_unproven CHECK (unproven IS NOT NULL) NOT VALID;
ALTER TABLE orders ADD CONSTRAINT orders_qty_nv CHECK (qty > 0) NOT VALID;
CREATE INDEX orders_qty_idx ON orders (qty);
CREATE INDEX orders_label_idx ON orders (label);
CREATE INDEX orders_at_idx ON orders (at);
CREATE INDEX orders_price_idx ON orders (price);
CREATE INDEX orders_partial_idx ON orders (id) WHERE partial_key > 'a';
CREATE INDEX orders_expr_idx ON orders (lower(expr_key));
CREATE UNIQUE INDEX orders_uid_idx ON orders (uid);
CREATE UNIQUE INDEX orders_person_idx ON orders (person);
CREATE INDEX orders_docb_idx ON orders USING gin (docb);
CREATE INDEX orders_big_brin ON orders USING brin (big);
CREATE INDEX orders_net_idx ON orders (net);
ALTER TABLE orders ALTER qty SET STATISTICS 200;
CREATE SEQUENCE orders_owned OWNED BY orders.id;
CREATE STATISTICS orders_stats ON qty, helper FROM orders;
CREATE TRIGGER orders_quiet BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION quiet();
CREATE POLICY orders_policy ON orders USING (small > 0);
COMMENT ON TABLE orders IS 'what was ordered';

-- a chain of views over orders, and a rule
CREATE VIEW order_list AS SELECT id, note FROM orders;
CREATE VIEW order_names AS SELECT l.id, p.name FROM order_list AS l JOIN people AS p ON p.id = l.id;
CREATE MATERIALIZED VIEW order_sums AS SELECT id AS person, length(raw) AS total FROM orders;
CREATE UNIQUE INDEX order_sums_idx ON order_sums (person);

-- few dependents
CREATE TABLE logs (
    id integer, word varchar(10), key integer NOT NULL, at timestamptz DEFAULT now(), amount numeric(8, 2)
);
INSERT INTO logs SELECT g, 'w' || g, g, now(), g FROM generate_series(1, 1000) AS g;
CREATE UNIQUE INDEX logs_id_idx ON logs (id);
CREATE UNIQUE INDEX logs_key_idx ON logs (key);
CREATE RULE logs_rule AS ON DELETE TO logs DO INSTEAD NOTHING;
CREATE TABLE solo (id integer, word varchar(10), n integer);
INSERT INTO solo SELECT g, 'w' || g, g FROM generate_series(1, 1000) AS g;
CREATE UNLOGGED TABLE fleeting (id integer PRIMARY KEY, word text);
INSERT INTO fleeting SELECT g, 'w' || g FROM generate_series(1, 1000) AS g;
CREATE TABLE vacant (id integer, word text);

-- generated and identity columns
CREATE TABLE made (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer, twice integer GENERATED ALWAYS AS (n * 2) STORED,
    serial_no serial
);
INSERT INTO made (n) SELECT g FROM generate_series(1, 1000) AS g;
CREATE INDEX made_n_idx ON made (n);

-- columns of domains and enums
CREATE TABLE stock (
    id integer PRIMARY KEY, amount plain_int, checked positive, title small_name, free loose, deep over_positive,
    list positive[]
);
INSERT INTO stock SELECT g, g, g, 't' || g, g, g, ARRAY[g] FROM generate_series(1, 1000) AS g;
CREATE TABLE stock_copy (amount plain_int, thing pair);
INSERT INTO stock_copy SELECT g, ROW(g, 'x'::text)::pair FROM generate_series(1, 1000) AS g;
CREATE TABLE moods (id integer, val mood);
INSERT INTO moods SELECT g, 'ok' FROM generate_series(1, 1000) AS g;

-- a foreign key over text, and one to itself
CREATE TABLE words (word varchar(10) UNIQUE, other varchar(10));
INSERT INTO words SELECT 'w' || g FROM generate_series(1, 1000) AS g;
CREATE INDEX words_partial ON words (other) WHERE word > 'a';
CREATE TABLE word_uses (word varchar(10) CONSTRAINT word_uses_fk REFERENCES words (word));
INSERT INTO word_uses SELECT 'w' || g FROM generate_series(1, 1000) AS g;
CREATE TABLE nodes (id integer PRIMARY KEY, parent integer CONSTRAINT nodes_parent_fk REFERENCES nodes);
INSERT INTO nodes SELECT g, NULLIF(g - 1, 0) FROM generate_series(1, 1000) AS g;

-- inheritance
CREATE TABLE animals (id integer, legs integer);
CREATE TABLE cats (lives integer) INHERITS (animals);
CREATE TABLE lone_cats (id integer, legs integer, lives integer);
INSERT INTO animals SELECT g, 4 FROM generate_series(1, 1000) AS g;
INSERT INTO cats SELECT g, 4, 9 FROM generate_series(1, 1000) AS g;
INSERT INTO lone_cats SELECT g, 4, 9 FROM generate_series(1, 1000) AS g;

-- partitioned: with a foreign key and indexes, with a default partition, with a primary key that is referenced
CREATE TABLE sales (
    id integer, v integer NOT NULL, person integer CONSTRAINT sales_person_fk REFERENCES people, note text
) PARTITION BY RANGE (v);
CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM (0) TO (1000);
CREATE TABLE sales_2 PARTITION OF sales FOR VALUES FROM (1000) TO (2000);
INSERT INTO sales SELECT g, g, g / 2 + 1, 'x' FROM generate_series(0, 1999) AS g;
CREATE INDEX sales_v_idx ON sales (v);
CREATE INDEX sales_1_note ON sales_1 (note);
CREATE TABLE sales_next (id integer, v integer NOT NULL, person integer, note text);
INSERT INTO sales_next SELECT g, g, g - 1999, 'x' FROM generate_series(2000, 2900) AS g;
CREATE TABLE sales_ready (
    id integer, v integer NOT NULL, person integer, note text,
    CONSTRAINT sales_ready_bound CHECK (v IS NOT NULL AND v >= 2000 AND v < 3000)
);
INSERT INTO sales_ready SELECT g, g, g - 1999, 'x' FROM generate_series(2000, 2900) AS g;
CREATE INDEX sales_ready_v ON sales_ready (v);

CREATE TABLE bins (id integer, k integer) PARTITION BY RANGE (k);
CREATE TABLE bins_1 PARTITION OF bins FOR VALUES FROM (0) TO (1000);
CREATE TABLE bins_rest PARTITION OF bins DEFAULT;
INSERT INTO bins SELECT g, g FROM generate_series(0, 4999) AS g WHERE g < 1000 OR g >= 3000;
CREATE TABLE bins_next (id integer, k integer);
INSERT INTO bins_next SELECT g, g FROM generate_series(6000, 6999) AS g;

CREATE TABLE vaults (id integer PRIMARY KEY, word text) PARTITION BY RANGE (id);
CREATE TABLE vaults_1 PARTITION OF vaults FOR VALUES FROM (1) TO (2000);
INSERT INTO vaults SELECT g, 'w' FROM generate_series(1, 1000) AS g;
CREATE TABLE keys (id integer PRIMARY KEY, vault integer CONSTRAINT keys_vault_fk REFERENCES vaults);
INSERT INTO keys SELECT g, g FROM generate_series(1, 1000) AS g;

CREATE TABLE regions (id integer, name text) PARTITION BY LIST (name);
CREATE TABLE regions_a PARTITION OF regions FOR VALUES IN ('a');
CREATE TABLE regions_b PARTITION OF regions FOR VALUES IN ('b') PARTITION BY RANGE (id);
CREATE TABLE regions_b1 PARTITION OF regions_b FOR VALUES FROM (0) TO (5000);
INSERT INTO regions SELECT g, CASE WHEN g % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 2000) AS g;
CREATE TABLE regions_c (id integer, name text);
INSERT INTO regions_c SELECT g, 'c' FROM generate_series(1, 1000) AS g;

-- tables that a CHECK lets into a partition unread, or does not
CREATE TABLE bd (id int, d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE bd_d PARTITION OF bd DEFAULT; ALTER TABLE bd_d ADD CHECK (d < '2024-01-01' OR d >= '2024-02-01');
CREATE TABLE bd1 (id int, d date NOT NULL, CHECK (d >= '2024-01-01' AND d < '2024-02-01'));
CREATE TABLE bd2 (id int, d date NOT NULL, CHECK (d >= '2023-12-31' AND d < '2024-02-01'));
CREATE TABLE bt (id int, t timestamptz NOT NULL) PARTITION BY RANGE (t);
CREATE TABLE bt1 (id int, t timestamptz NOT NULL, CHECK (t >= '2024-01-01' AND t < '2024-02-01'));
CREATE TABLE bt2 (id int, t timestamptz NOT NULL, CHECK (t >= '2024-01-01 00:00+00' AND t < '2024-02-01'));
CREATE TABLE bl (id int, x varchar(9)) PARTITION BY LIST (x);
CREATE TABLE bl1 (id int, x varchar(9) NOT NULL, CHECK (x = 'a'));
CREATE TABLE bl2 (id int, x varchar(9), CHECK (x = 'a'));
CREATE TABLE blt (id int, x text) PARTITION BY LIST (x);
CREATE TABLE blt1 (id int, x text NOT NULL, CHECK (x = 'a' OR x = 'b'));
CREATE TABLE bi (id bigint NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE bi1 (id bigint NOT NULL, CHECK (id >= 10 AND id < 20));
CREATE TABLE bi2 (id bigint NOT NULL, CHECK (id > 9 AND id <= 19));
CREATE TABLE bi3 (id bigint NOT NULL, CHECK (id = 15));
CREATE TABLE bi4 (id bigint NOT NULL, CONSTRAINT z CHECK (id >= 10) NOT VALID, CHECK (id < 20));
CREATE TABLE bi5 (id bigint, CHECK (id >= 10 AND id < 20));
INSERT INTO bd_d SELECT g, '2025-01-01'::date FROM generate_series(1,1000) g;
INSERT INTO bd1 SELECT g, '2024-01-05'::date FROM generate_series(1,1000) g;
INSERT INTO bd2 SELECT g, '2024-01-05'::date FROM generate_series(1,1000) g;
INSERT INTO bt1 SELECT g, '2024-01-05'::date FROM generate_series(1,1000) g;
INSERT INTO bt2 SELECT g, '2024-01-05'::date FROM generate_series(1,1000) g;
INSERT INTO bl1 SELECT g, 'a' FROM generate_series(1,1000) g;
INSERT INTO bl2 SELECT g, 'a' FROM generate_series(1,1000) g;
INSERT INTO blt1 SELECT g, 'a' FROM generate_series(1,1000) g;
INSERT INTO bi1 SELECT 15 FROM generate_series(1,1000) g;
INSERT INTO bi2 SELECT 15 FROM generate_series(1,1000) g;
INSERT INTO bi3 SELECT 15 FROM generate_series(1,1000) g;
INSERT INTO bi4 SELECT 15 FROM generate_series(1,1000) g;
INSERT INTO bi5 SELECT 15 FROM generate_series(1,1000) g;

-- names that need quotes
CREATE TABLE "Lager"."Größe" ("Maß" integer, "Name" varchar(10));
INSERT INTO "Lager"."Größe" SELECT g, 'n' || g FROM generate_series(1, 1000) AS g;
CREATE INDEX "Größe_idx" ON "Lager"."Größe" ("Maß");

-- a typed table, and the publication of one
CREATE TYPE point3 AS (x integer, y integer, z integer);
CREATE TABLE points OF point3;
INSERT INTO points SELECT g, g, g FROM generate_series(1, 1000) AS g;
CREATE PUBLICATION news FOR TABLE logs;
CREATE EXTENSION IF NOT EXISTS plpgsql;
GRANT SELECT ON logs TO score_other;
CREATE TABLE owned_table (id integer PRIMARY KEY);
ALTER TABLE owned_table OWNER TO score_owner;
GRANT CREATE ON SCHEMA shop, attic TO score_owner, score_other;
ANALYZE;
