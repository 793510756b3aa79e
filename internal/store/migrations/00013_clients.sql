-- API clients that can be changed, with up to two secrets each, and the tokens
-- that ended before their time. A secret that was there keeps its client's id.

-- +goose Up
ALTER TABLE clients ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE clients ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE clients SET updated_at = created_at;

CREATE TABLE client_secrets (
    id           TEXT   NOT NULL PRIMARY KEY,
    workspace    TEXT   NOT NULL,
    client_id    TEXT   NOT NULL,
    hash         BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    FOREIGN KEY (client_id) REFERENCES clients (id)
);

CREATE INDEX client_secrets_client ON client_secrets (client_id, id);

INSERT INTO client_secrets (id, workspace, client_id, hash, created_at, expires_at, last_used_at)
    SELECT id, workspace, id, secret_hash, created_at, 0, last_used_at FROM clients;

ALTER TABLE clients DROP COLUMN secret_hash;

CREATE INDEX clients_workspace ON clients (workspace, id);

CREATE TABLE revoked_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    client_id  TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

-- +goose Down
DROP TABLE revoked_tokens;
DROP INDEX clients_workspace;
ALTER TABLE clients ADD COLUMN secret_hash BYTEA NOT NULL DEFAULT '';
UPDATE clients SET secret_hash = COALESCE(
    (SELECT s.hash FROM client_secrets s WHERE s.client_id = clients.id ORDER BY s.id LIMIT 1), secret_hash);
DROP TABLE client_secrets;
ALTER TABLE clients DROP COLUMN updated_at;
ALTER TABLE clients DROP COLUMN revision;
