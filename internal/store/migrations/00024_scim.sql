-- What identity providers asked for while Celonis was down, and the ids that they were given meanwhile.

-- +goose Up
-- A write that waits for Celonis or was refused by it; gone once it is done. envelope seals what it holds, which is about
-- a person; key_id is its master key. resource_id is the id that the caller knows.
CREATE TABLE scim_operations (
    workspace     TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    connection_id TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    resource_id   TEXT   NOT NULL,
    verb          TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    attempts      BIGINT NOT NULL,
    key_id        TEXT   NOT NULL,
    envelope      TEXT   NOT NULL,
    code          TEXT   NOT NULL,
    actor         TEXT   NOT NULL,
    request_id    TEXT   NOT NULL,
    next_at       BIGINT NOT NULL,
    leased_until  BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

CREATE INDEX scim_operations_due ON scim_operations (next_at) WHERE state = 'pending';
CREATE INDEX scim_operations_order ON scim_operations (workspace, connection_id, kind, resource_id, id);
CREATE INDEX scim_operations_list ON scim_operations (workspace, connection_id, id);
CREATE INDEX scim_operations_key ON scim_operations (key_id);

-- An id of ours for what Celonis did not have yet; celonis_id is '' until it has. It stays for good.
CREATE TABLE scim_aliases (
    workspace     TEXT   NOT NULL,
    connection_id TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    celonis_id    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (workspace, connection_id, id),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

-- +goose Down
DROP TABLE scim_aliases;
DROP TABLE scim_operations;
