-- Files that runs make: whose they are, what they hold and for how long. flow_id and run_id are '' for uploaded files,
-- expires_at is 0 for files that are kept until they are deleted, removed_at is 0 while the bytes are there.

-- +goose Up
ALTER TABLE files ADD COLUMN flow_id TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN run_id TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN format TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN records BIGINT NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN removed_at BIGINT NOT NULL DEFAULT 0;

CREATE INDEX files_run ON files (workspace, run_id) WHERE run_id <> '';
CREATE INDEX files_flow ON files (workspace, flow_id) WHERE flow_id <> '';
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at > 0 AND removed_at = 0;

-- Files whose bytes may go, listed for some days so that every process with a spool of its own hears of them.
CREATE TABLE file_removals (
    id         TEXT   NOT NULL PRIMARY KEY,
    removed_at BIGINT NOT NULL
);

CREATE INDEX file_removals_order ON file_removals (removed_at, id);

-- +goose Down
DROP TABLE file_removals;
DROP INDEX files_expiry;
DROP INDEX files_flow;
DROP INDEX files_run;
ALTER TABLE files DROP COLUMN removed_at;
ALTER TABLE files DROP COLUMN expires_at;
ALTER TABLE files DROP COLUMN records;
ALTER TABLE files DROP COLUMN format;
ALTER TABLE files DROP COLUMN run_id;
ALTER TABLE files DROP COLUMN flow_id;
