-- The HTTP view of a connection, a JSON document; NULL leaves everything to the service.

-- +goose Up
ALTER TABLE connections ADD COLUMN http TEXT;

-- +goose Down
ALTER TABLE connections DROP COLUMN http;
