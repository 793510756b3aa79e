-- Schedules fire, flows follow each other, and runs take turns.

-- +goose Up
-- A row for each flow with a schedule; next_fire_at is 0 while the flow is disabled. pushes says that a run of the flow
-- needs a submission of its team's budget.
CREATE TABLE flow_schedules (
    workspace       TEXT    NOT NULL,
    flow_id         TEXT    NOT NULL,
    cron            TEXT    NOT NULL,
    time_zone       TEXT    NOT NULL,
    overlap         TEXT    NOT NULL,
    misfire         TEXT    NOT NULL,
    pushes          BOOLEAN NOT NULL,
    next_fire_at    BIGINT  NOT NULL,
    last_fire_at    BIGINT  NOT NULL DEFAULT 0,
    skipped         BIGINT  NOT NULL DEFAULT 0,
    last_skipped_at BIGINT  NOT NULL DEFAULT 0,
    missed          BIGINT  NOT NULL DEFAULT 0,
    last_missed_at  BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, flow_id),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id)
);

CREATE INDEX flow_schedules_due ON flow_schedules (next_fire_at, flow_id) WHERE next_fire_at > 0;

-- target_id runs once a run of flow_id has succeeded.
CREATE TABLE flow_links (
    workspace TEXT   NOT NULL,
    flow_id   TEXT   NOT NULL,
    target_id TEXT   NOT NULL,
    position  BIGINT NOT NULL,
    PRIMARY KEY (workspace, flow_id, target_id),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id),
    FOREIGN KEY (workspace, target_id) REFERENCES flows (workspace, id)
);

CREATE INDEX flow_links_target ON flow_links (workspace, target_id);

ALTER TABLE flows ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE;

-- max_runs bounds the runs that use the connection at once, 0 does not.
ALTER TABLE connections ADD COLUMN max_runs BIGINT NOT NULL DEFAULT 0;
CREATE INDEX connections_max_runs ON connections (workspace, id) WHERE max_runs > 0;

-- fire_at is the fire time of the run's schedule, after_run the run whose success started it.
ALTER TABLE runs ADD COLUMN fire_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN after_run TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX runs_fire ON runs (workspace, flow_id, fire_at) WHERE fire_at > 0;
CREATE UNIQUE INDEX runs_after ON runs (workspace, flow_id, after_run) WHERE after_run <> '';

-- One run of a flow at a time. Of several that run already all but the oldest go back to the queue.
UPDATE runs SET state = 'queued', lease_until = 0, queued_at = 0 WHERE state = 'running' AND EXISTS (
    SELECT 1 FROM runs o WHERE o.workspace = runs.workspace AND o.flow_id = runs.flow_id AND o.state = 'running' AND o.id < runs.id);
CREATE UNIQUE INDEX runs_one_running ON runs (workspace, flow_id) WHERE state = 'running';
CREATE INDEX runs_of_flow ON runs (flow_id, id) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_turn ON runs (workspace, id) WHERE state IN ('queued', 'running', 'waiting');

-- +goose Down
DROP INDEX runs_turn;
DROP INDEX runs_of_flow;
DROP INDEX runs_one_running;
DROP INDEX runs_after;
DROP INDEX runs_fire;
ALTER TABLE runs DROP COLUMN after_run;
ALTER TABLE runs DROP COLUMN fire_at;
DROP INDEX connections_max_runs;
ALTER TABLE connections DROP COLUMN max_runs;
ALTER TABLE flows DROP COLUMN paused;
DROP TABLE flow_links;
DROP TABLE flow_schedules;
