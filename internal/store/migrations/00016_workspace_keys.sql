-- Keys that a workspace has for a purpose, sealed: made once and never changed.

-- +goose Up
CREATE TABLE workspace_keys (
    workspace  TEXT   NOT NULL,
    purpose    TEXT   NOT NULL,
    key_id     TEXT   NOT NULL,
    envelope   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, purpose)
);

CREATE INDEX workspace_keys_key ON workspace_keys (key_id);

-- +goose Down
DROP TABLE workspace_keys;
