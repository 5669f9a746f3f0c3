"""What is there before the examples: small schemas with rows in them."""

from __future__ import annotations

from typing import Final

# A donation platform in small: the reference, an index, a check that holds and one that was not validated.
PLATFORM: Final = """\
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, country char(2));
CREATE TABLE donations (
    id bigint PRIMARY KEY,
    user_id bigint NOT NULL CONSTRAINT donations_user REFERENCES users,
    cents integer CONSTRAINT cents_there CHECK (cents IS NOT NULL),
    fee numeric(10, 2),
    note varchar(40),
    state text,
    paid timestamp
);
CREATE INDEX donations_user_id ON donations (user_id);
CREATE INDEX donations_paid ON donations (paid);
ALTER TABLE donations ADD CONSTRAINT fee_there CHECK (fee IS NOT NULL) NOT VALID;
INSERT INTO users SELECT n, 'user' || n, 'de' FROM generate_series(1, 200) AS n;
INSERT INTO donations SELECT n, n, 100, 1, 'thanks ' || n, 'received', now() FROM generate_series(1, 200) AS n;
"""

# The same, and nobody has given anything yet.
EMPTY: Final = """\
CREATE TABLE donations (id bigint PRIMARY KEY, cents integer, note varchar(40), state text, paid timestamp);
CREATE INDEX donations_paid ON donations (paid);
"""

# Events by year, with a partition for all other years, and a table that is to become a partition.
EVENTS: Final = """\
CREATE TABLE users (id bigint PRIMARY KEY);
CREATE TABLE events (id bigint, at date NOT NULL, user_id bigint) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_other PARTITION OF events DEFAULT;
CREATE TABLE events_2026 (id bigint, at date NOT NULL, user_id bigint);
INSERT INTO users SELECT n FROM generate_series(1, 200) AS n;
INSERT INTO events SELECT n, date '2024-01-01' + n, n FROM generate_series(1, 200) AS n;
INSERT INTO events SELECT n, date '2025-01-01' + n, n FROM generate_series(1, 200) AS n;
INSERT INTO events SELECT n, date '2020-01-01' + n, n FROM generate_series(1, 200) AS n;
INSERT INTO events_2026 SELECT n, date '2026-01-01' + n, n FROM generate_series(1, 200) AS n;
"""

# Events by year without a partition for the rest.
YEARS: Final = """\
CREATE TABLE events (id bigint, at date NOT NULL, user_id bigint) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 (id bigint, at date NOT NULL, user_id bigint);
ALTER TABLE events_2026 ADD CONSTRAINT in_2026 CHECK (at >= '2026-01-01' AND at < '2027-01-01');
INSERT INTO events SELECT n, date '2024-01-01' + n, n FROM generate_series(1, 400) AS n;
INSERT INTO events_2026 SELECT n, date '2026-01-01' + n, n FROM generate_series(1, 200) AS n;
"""

# What hangs on tables: a view, a materialized view, types of one's own.
DEPENDENTS: Final = """\
CREATE DOMAIN amount AS integer CHECK (VALUE > 0);
CREATE DOMAIN label AS text;
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE prices (id integer PRIMARY KEY, cents amount, title varchar(20), feeling mood, other integer);
INSERT INTO prices SELECT n, n, 'price ' || n, 'glad', n FROM generate_series(1, 200) AS n;
CREATE VIEW cheap AS SELECT id, title FROM prices WHERE id < 10;
CREATE MATERIALIZED VIEW totals AS SELECT id, cents::integer AS cents FROM prices;
CREATE UNIQUE INDEX totals_id ON totals (id);
CREATE INDEX prices_lower ON prices (lower(title));
CREATE INDEX prices_some ON prices (id) WHERE other > 5;
"""
