-- +goose Up
-- valid_domains and allowed_scopes are JSON lists; key_id is the master key of
-- envelope, which holds the client secret.
CREATE TABLE oauth_clients (
    workspace         TEXT   NOT NULL,
    id                TEXT   NOT NULL,
    revision          BIGINT NOT NULL,
    name              TEXT   NOT NULL,
    name_key          TEXT   NOT NULL,
    client_id         TEXT   NOT NULL,
    auth_method       TEXT   NOT NULL,
    valid_domains     TEXT   NOT NULL,
    allowed_scopes    TEXT   NOT NULL,
    key_id            TEXT   NOT NULL,
    envelope          TEXT   NOT NULL,
    secret_updated_at BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT oauth_clients_name UNIQUE (workspace, name_key)
);

CREATE INDEX oauth_clients_key ON oauth_clients (key_id);

-- What only a connection with OAuth has. A table of its own, because the
-- foreign key, which keeps an OAuth client from being deleted while a
-- connection uses it, cannot be added to a table that is there already.
CREATE TABLE connection_oauth (
    workspace       TEXT NOT NULL,
    connection_id   TEXT NOT NULL,
    oauth_client_id TEXT NOT NULL,
    grant_type      TEXT NOT NULL,
    scopes          TEXT NOT NULL,
    PRIMARY KEY (workspace, connection_id),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id),
    FOREIGN KEY (workspace, oauth_client_id) REFERENCES oauth_clients (workspace, id)
);

CREATE INDEX connection_oauth_client ON connection_oauth (workspace, oauth_client_id);

-- The tokens that a user granted to a connection, sealed. version grows with
-- each exchange of them; whoever holds the claim may exchange.
CREATE TABLE oauth_grants (
    workspace     TEXT   NOT NULL,
    connection_id TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    key_id        TEXT   NOT NULL,
    envelope      TEXT   NOT NULL,
    claimed_by    TEXT   NOT NULL,
    claimed_until BIGINT NOT NULL,
    granted_at    BIGINT NOT NULL,
    PRIMARY KEY (workspace, connection_id),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

CREATE INDEX oauth_grants_key ON oauth_grants (key_id);

-- Authorizations under way: the hash of the state that the browser carries,
-- and the sealed verifier of the code that it brings back.
CREATE TABLE oauth_states (
    state_hash    TEXT   NOT NULL PRIMARY KEY,
    workspace     TEXT   NOT NULL,
    connection_id TEXT   NOT NULL,
    revision      BIGINT NOT NULL,
    key_id        TEXT   NOT NULL,
    envelope      TEXT   NOT NULL,
    expires_at    BIGINT NOT NULL,
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

CREATE INDEX oauth_states_connection ON oauth_states (workspace, connection_id);
CREATE INDEX oauth_states_key ON oauth_states (key_id);
CREATE INDEX oauth_states_expiry ON oauth_states (expires_at);

-- +goose Down
DROP TABLE oauth_states;
DROP TABLE oauth_grants;
DROP TABLE connection_oauth;
DROP TABLE oauth_clients;
