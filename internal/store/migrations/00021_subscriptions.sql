-- The subscriptions of flows that listen to events of Celonis: what is wished, what is known of the one in Celonis, and
-- which offsets came. A row outlives its flow until the subscription is gone from Celonis.

-- +goose Up
CREATE TABLE subscriptions (
    id               TEXT    NOT NULL PRIMARY KEY,
    workspace        TEXT    NOT NULL,
    flow_id          TEXT    NOT NULL,
    connection_id    TEXT    NOT NULL,
    plan             TEXT    NOT NULL,
    wish             TEXT    NOT NULL,
    generation       BIGINT  NOT NULL DEFAULT 1,
    applied          BIGINT  NOT NULL DEFAULT 0,
    nudge            BIGINT  NOT NULL DEFAULT 0,
    token_hash       TEXT    NOT NULL,
    auth_hash        TEXT    NOT NULL,
    key_id           TEXT    NOT NULL,
    envelope         TEXT    NOT NULL,
    replay           TEXT,
    remote_id        TEXT    NOT NULL DEFAULT '',
    remote_status    TEXT    NOT NULL DEFAULT '',
    delivered_as     TEXT    NOT NULL DEFAULT '',
    begun            BOOLEAN NOT NULL DEFAULT FALSE,
    checked_at       BIGINT  NOT NULL DEFAULT 0,
    offsets          TEXT    NOT NULL,
    repair           TEXT    NOT NULL,
    received         BIGINT  NOT NULL DEFAULT 0,
    repeated         BIGINT  NOT NULL DEFAULT 0,
    last_delivery_at BIGINT  NOT NULL DEFAULT 0,
    remade           BIGINT  NOT NULL DEFAULT 0,
    last_error       TEXT,
    failures         BIGINT  NOT NULL DEFAULT 0,
    sample           TEXT    NOT NULL DEFAULT '',
    created_at       BIGINT  NOT NULL,
    next_at          BIGINT  NOT NULL,
    lease_until      BIGINT  NOT NULL DEFAULT 0,
    fence            BIGINT  NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX subscriptions_token ON subscriptions (token_hash);
CREATE INDEX subscriptions_flow ON subscriptions (workspace, flow_id);
CREATE INDEX subscriptions_due ON subscriptions (next_at);
CREATE INDEX subscriptions_key ON subscriptions (key_id);

-- +goose Down
DROP TABLE subscriptions;
