-- Offline connections are probed, and runs wait for them.

-- +goose Up
ALTER TABLE connections ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN next_probe_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN online_at BIGINT NOT NULL DEFAULT 0;
UPDATE connections SET next_probe_at = 1 WHERE status = 'offline';
CREATE INDEX connections_probe ON connections (next_probe_at) WHERE status = 'offline';

-- waits_for is the connection that a waiting run waits for, '' when it waits for a time only.
ALTER TABLE runs ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
CREATE INDEX runs_waits_for ON runs (workspace, waits_for) WHERE waits_for <> '';

-- +goose Down
DROP INDEX runs_waits_for;
ALTER TABLE runs DROP COLUMN waits_for;
DROP INDEX connections_probe;
ALTER TABLE connections DROP COLUMN online_at;
ALTER TABLE connections DROP COLUMN next_probe_at;
ALTER TABLE connections DROP COLUMN refusals;
