-- One text for SQLite and PostgreSQL. Times are Unix microseconds, 0 for none;
-- ids are UUIDv7 as text; documents are JSON as text; name_key is the name in
-- the form in which names are compared. Every child row is removed by the
-- store in the same transaction as its parent; the foreign keys only guard.

-- +goose Up
CREATE TABLE connections (
    workspace  TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    revision   BIGINT  NOT NULL,
    name       TEXT    NOT NULL,
    name_key   TEXT    NOT NULL,
    api_type   TEXT    NOT NULL,
    domain     TEXT    NOT NULL,
    auth_type  TEXT    NOT NULL,
    pool_id    TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    last_test  TEXT,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT connections_name UNIQUE (workspace, name_key)
);

-- key_id is the master key of the envelope, so that the use of a key can be counted.
CREATE TABLE connection_secrets (
    workspace     TEXT   NOT NULL,
    connection_id TEXT   NOT NULL,
    field         TEXT   NOT NULL,
    key_id        TEXT   NOT NULL,
    envelope      TEXT   NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (workspace, connection_id, field),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

CREATE INDEX connection_secrets_key ON connection_secrets (key_id);

-- connection_id is the connection of the flow's import; the foreign key keeps a
-- connection from being deleted while a flow uses it.
CREATE TABLE flows (
    workspace     TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    revision      BIGINT  NOT NULL,
    enabled       BOOLEAN NOT NULL,
    name          TEXT    NOT NULL,
    name_key      TEXT    NOT NULL,
    connection_id TEXT,
    spec          TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT flows_name UNIQUE (workspace, name_key),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

CREATE INDEX flows_connection ON flows (workspace, connection_id);

-- Every revision of a flow, the current one too.
CREATE TABLE flow_revisions (
    workspace  TEXT    NOT NULL,
    flow_id    TEXT    NOT NULL,
    revision   BIGINT  NOT NULL,
    enabled    BOOLEAN NOT NULL,
    spec       TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    PRIMARY KEY (workspace, flow_id, revision),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id)
);

CREATE TABLE files (
    workspace  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    bytes      BIGINT NOT NULL,
    sha256     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
);

-- furthest is the most chunks that a checkpoint of the run ever had;
-- queued_at is when the id was last pushed to the queue; has_batches says that
-- the run's record batches are chosen and stay the same.
CREATE TABLE runs (
    id               TEXT    NOT NULL PRIMARY KEY,
    workspace        TEXT    NOT NULL,
    flow_id          TEXT    NOT NULL,
    flow_revision    BIGINT  NOT NULL,
    started_by       TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    records_read     BIGINT  NOT NULL,
    records_filtered BIGINT  NOT NULL,
    records_pushed   BIGINT  NOT NULL,
    records_errored  BIGINT  NOT NULL,
    bytes            BIGINT  NOT NULL,
    chunks           BIGINT  NOT NULL,
    push_job_id      TEXT    NOT NULL,
    attempt          BIGINT  NOT NULL,
    failures         BIGINT  NOT NULL,
    fence            BIGINT  NOT NULL,
    checkpoint       TEXT    NOT NULL,
    furthest         BIGINT  NOT NULL DEFAULT 0,
    cancel_requested BOOLEAN NOT NULL,
    error            TEXT,
    worker           TEXT    NOT NULL,
    has_batches      BOOLEAN NOT NULL DEFAULT FALSE,
    queued_at        BIGINT  NOT NULL DEFAULT 0,
    resume_at        BIGINT  NOT NULL,
    lease_until      BIGINT  NOT NULL,
    created_at       BIGINT  NOT NULL,
    started_at       BIGINT  NOT NULL,
    finished_at      BIGINT  NOT NULL,
    updated_at       BIGINT  NOT NULL,
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id)
);

CREATE INDEX runs_flow ON runs (workspace, flow_id, id);
-- The runs that have not ended: few, however many there have been; of a flow, and of all in order.
CREATE INDEX runs_live ON runs (workspace, flow_id, id) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_due ON runs (id) WHERE state IN ('queued', 'running', 'waiting');

CREATE TABLE record_errors (
    id          TEXT    NOT NULL PRIMARY KEY,
    workspace   TEXT    NOT NULL,
    flow_id     TEXT    NOT NULL,
    run_id      TEXT    NOT NULL,
    record      BIGINT  NOT NULL,
    line        BIGINT  NOT NULL,
    byte_offset BIGINT  NOT NULL,
    code        TEXT    NOT NULL,
    field       TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    data        BYTEA   NOT NULL,
    truncated   BOOLEAN NOT NULL,
    state       TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    CONSTRAINT record_errors_record UNIQUE (run_id, record),
    FOREIGN KEY (run_id) REFERENCES runs (id)
);

CREATE INDEX record_errors_flow ON record_errors (workspace, flow_id, id);
CREATE INDEX record_errors_run ON record_errors (workspace, flow_id, run_id, id);

-- run_id is the run that holds the batch, null while none does.
CREATE TABLE record_batches (
    workspace  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    run_id     TEXT,
    records    BIGINT NOT NULL,
    data       BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id),
    FOREIGN KEY (run_id) REFERENCES runs (id)
);

CREATE INDEX record_batches_flow ON record_batches (workspace, flow_id, run_id);
CREATE INDEX record_batches_run ON record_batches (run_id);

CREATE TABLE clients (
    id           TEXT    NOT NULL PRIMARY KEY,
    workspace    TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    name_key     TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    secret_hash  BYTEA   NOT NULL,
    disabled     BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    last_used_at BIGINT  NOT NULL,
    CONSTRAINT clients_name UNIQUE (workspace, name_key)
);

-- status 0 is a request that has not been answered.
CREATE TABLE idempotency_keys (
    workspace  TEXT   NOT NULL,
    client     TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    route      TEXT   NOT NULL,
    body_hash  TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    header     TEXT   NOT NULL,
    body       BYTEA  NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, client, key)
);

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- One row, id 1: a sealed text that shows whether the master keys fit this database.
CREATE TABLE keyring_canary (
    id       BIGINT NOT NULL PRIMARY KEY,
    key_id   TEXT   NOT NULL,
    envelope TEXT   NOT NULL
);

-- +goose Down
DROP TABLE keyring_canary;
DROP TABLE idempotency_keys;
DROP TABLE clients;
DROP TABLE record_batches;
DROP TABLE record_errors;
DROP TABLE runs;
DROP TABLE files;
DROP TABLE flow_revisions;
DROP TABLE flows;
DROP TABLE connection_secrets;
DROP TABLE connections;
