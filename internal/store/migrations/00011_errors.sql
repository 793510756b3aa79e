-- What a record error is beyond its place: form says what stands for the record as JSON: 'json' the data itself,
-- 'object' the column object, 'raw' neither; edited is what a caller put in its place. retry_run_id is the run that has
-- the record now, last_run_id the newest that had it; traced_run_id is a run that has a row of the same trace key.

-- +goose Up
ALTER TABLE record_errors ADD COLUMN flow_revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE record_errors ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE record_errors ADD COLUMN signature TEXT NOT NULL DEFAULT '';
ALTER TABLE record_errors ADD COLUMN trace_key TEXT NOT NULL DEFAULT '';
ALTER TABLE record_errors ADD COLUMN form TEXT NOT NULL DEFAULT 'raw';
ALTER TABLE record_errors ADD COLUMN object BYTEA;
ALTER TABLE record_errors ADD COLUMN edited BYTEA;
ALTER TABLE record_errors ADD COLUMN attempts BIGINT NOT NULL DEFAULT 1;
ALTER TABLE record_errors ADD COLUMN retry_run_id TEXT NOT NULL DEFAULT '';
ALTER TABLE record_errors ADD COLUMN last_run_id TEXT NOT NULL DEFAULT '';
ALTER TABLE record_errors ADD COLUMN traced_run_id TEXT NOT NULL DEFAULT '';
ALTER TABLE record_errors ADD COLUMN resolved_by TEXT NOT NULL DEFAULT '';
ALTER TABLE record_errors ADD COLUMN resolved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE record_errors ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

UPDATE record_errors SET updated_at = created_at,
    flow_revision = COALESCE((SELECT r.flow_revision FROM runs r WHERE r.id = record_errors.run_id), 0);

CREATE INDEX record_errors_retry ON record_errors (retry_run_id) WHERE retry_run_id <> '';
CREATE INDEX record_errors_traced ON record_errors (traced_run_id) WHERE traced_run_id <> '';
CREATE INDEX record_errors_last ON record_errors (workspace, flow_id, last_run_id, id) WHERE last_run_id <> '';
CREATE INDEX record_errors_trace ON record_errors (workspace, flow_id, trace_key) WHERE state = 'open' AND trace_key <> '';
CREATE INDEX record_errors_age ON record_errors (workspace, flow_id, updated_at);

-- The records that a run retries, in order, and how those that failed again did; gone once the run has ended.
CREATE TABLE error_retries (
    run_id    TEXT    NOT NULL,
    seq       BIGINT  NOT NULL,
    workspace TEXT    NOT NULL,
    flow_id   TEXT    NOT NULL,
    error_id  TEXT    NOT NULL,
    failed    BOOLEAN NOT NULL DEFAULT FALSE,
    code      TEXT    NOT NULL DEFAULT '',
    field     TEXT    NOT NULL DEFAULT '',
    message   TEXT    NOT NULL DEFAULT '',
    signature TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, seq),
    FOREIGN KEY (run_id) REFERENCES runs (id)
);

CREATE INDEX error_retries_flow ON error_retries (workspace, flow_id);

-- +goose Down
DROP TABLE error_retries;
DROP INDEX record_errors_age;
DROP INDEX record_errors_trace;
DROP INDEX record_errors_last;
DROP INDEX record_errors_traced;
DROP INDEX record_errors_retry;
ALTER TABLE record_errors DROP COLUMN updated_at;
ALTER TABLE record_errors DROP COLUMN resolved_at;
ALTER TABLE record_errors DROP COLUMN resolved_by;
ALTER TABLE record_errors DROP COLUMN traced_run_id;
ALTER TABLE record_errors DROP COLUMN last_run_id;
ALTER TABLE record_errors DROP COLUMN retry_run_id;
ALTER TABLE record_errors DROP COLUMN attempts;
ALTER TABLE record_errors DROP COLUMN edited;
ALTER TABLE record_errors DROP COLUMN object;
ALTER TABLE record_errors DROP COLUMN form;
ALTER TABLE record_errors DROP COLUMN trace_key;
ALTER TABLE record_errors DROP COLUMN signature;
ALTER TABLE record_errors DROP COLUMN revision;
ALTER TABLE record_errors DROP COLUMN flow_revision;
