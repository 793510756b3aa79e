-- The tokens of webhooks, by their SHA-256 in hex; expires_at 0 is the newest of a flow. Beside them the secrets that
-- senders prove themselves with, and what tells posted records from a repeat of them.

-- +goose Up
CREATE TABLE webhook_tokens (
    token_hash TEXT   NOT NULL PRIMARY KEY,
    workspace  TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0,
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id)
);

CREATE INDEX webhook_tokens_flow ON webhook_tokens (workspace, flow_id);

CREATE TABLE webhook_secrets (
    workspace  TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    key_id     TEXT   NOT NULL,
    envelope   TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, flow_id),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id)
);

CREATE INDEX webhook_secrets_key ON webhook_secrets (key_id);

-- Posted records by the key that tells them from others, kept with their batch in one transaction.
CREATE TABLE record_receipts (
    workspace  TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    batch_id   TEXT   NOT NULL,
    run_id     TEXT   NOT NULL,
    records    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, scope, key)
);

CREATE INDEX record_receipts_flow ON record_receipts (workspace, flow_id);
CREATE INDEX record_receipts_age ON record_receipts (expires_at);

-- +goose Down
DROP TABLE record_receipts;
DROP TABLE webhook_secrets;
DROP TABLE webhook_tokens;
