-- +goose Up
-- outside is a JSON object: what a connection to something else than Celonis has beside its secrets.
ALTER TABLE connections ADD COLUMN outside TEXT;

-- +goose Down
ALTER TABLE connections DROP COLUMN outside;
