-- ref names where a secret is found whose envelope seals the name only, '' for a secret that is stored itself.

-- +goose Up
ALTER TABLE connection_secrets ADD COLUMN ref TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE connection_secrets DROP COLUMN ref;
