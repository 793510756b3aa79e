-- The secrets that the deliveries of imports are signed with; expires_at 0 is the newest of a flow.

-- +goose Up
CREATE TABLE delivery_secrets (
    workspace  TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    slot       TEXT   NOT NULL,
    key_id     TEXT   NOT NULL,
    envelope   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, flow_id, slot),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id)
);

CREATE INDEX delivery_secrets_key ON delivery_secrets (key_id);

-- +goose Down
DROP TABLE delivery_secrets;
