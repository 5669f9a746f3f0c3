-- Makes changeover's history. Sent as one message inside one transaction, under the run key, and only by a run.
CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE {schema}.meta (
    format_version integer NOT NULL
);
COMMENT ON TABLE {schema}.meta IS 'The format of the tables beside it; written by changeover.';
INSERT INTO {schema}.meta (format_version) VALUES (1);

CREATE TABLE {schema}.migration (
    version             text        NOT NULL PRIMARY KEY,
    name                text        NOT NULL,
    file                text        NOT NULL,
    checksum            text        NOT NULL,
    checksum_normalised text        NOT NULL,
    applied_at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    duration_ms         bigint      NOT NULL,
    operator            text        NOT NULL,
    run_id              uuid        NOT NULL,
    deferred            integer[]   NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE {schema}.migration IS 'One row for each migration in force; written by changeover.';
COMMENT ON COLUMN {schema}.migration.checksum IS 'SHA-256 of the exact bytes of the file.';
COMMENT ON COLUMN {schema}.migration.checksum_normalised IS 'SHA-256 of its text with all line ends as LF.';
COMMENT ON COLUMN {schema}.migration.deferred IS 'Numbers of the statements whose condition did not hold yet.';

CREATE TABLE {schema}.attempt (
    id          bigint      NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    version     text        NOT NULL,
    entry       text        NOT NULL CHECK (entry IN ('migration', 'deferred', 'revert', 'baseline', 'repair')),
    state       text        NOT NULL CHECK (state IN ('running', 'applied', 'failed', 'partial', 'reverted')),
    run_id      uuid        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    operator    text        NOT NULL,
    session     text        NOT NULL,
    plan_digest text        NOT NULL,
    xid         xid8,
    sqlstate    text,
    error       text,
    steps       jsonb       NOT NULL DEFAULT '[]'
);
COMMENT ON TABLE {schema}.attempt IS 'What was tried, by whom and with which outcome; rows are only added. Written by changeover.';
CREATE INDEX attempt_version_id ON {schema}.attempt (version, id DESC);
