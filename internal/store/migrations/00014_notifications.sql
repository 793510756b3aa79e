-- Who is told of what, how flows and connections stand, and the notices that are on their way. What runs came to is read
-- by the time of their creation.

-- +goose Up
CREATE TABLE notifications (
    workspace     TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    revision      BIGINT  NOT NULL,
    name          TEXT    NOT NULL,
    name_key      TEXT    NOT NULL,
    type          TEXT    NOT NULL,
    enabled       BOOLEAN NOT NULL,
    receiver      TEXT    NOT NULL,
    last_delivery TEXT,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT notifications_name UNIQUE (workspace, name_key)
);

-- key_id is the master key of envelope.
CREATE TABLE notification_secrets (
    workspace       TEXT   NOT NULL,
    notification_id TEXT   NOT NULL,
    key_id          TEXT   NOT NULL,
    envelope        TEXT   NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (workspace, notification_id),
    FOREIGN KEY (workspace, notification_id) REFERENCES notifications (workspace, id)
);

CREATE INDEX notification_secrets_key ON notification_secrets (key_id);

-- A notice for one notification, gone once it is delivered or given up. next_at is when its next attempt is due, and the
-- end of the lease while one is made. No foreign key: a run is settled although a notification is deleted at the same time.
CREATE TABLE notification_deliveries (
    id              TEXT   NOT NULL PRIMARY KEY,
    workspace       TEXT   NOT NULL,
    notification_id TEXT   NOT NULL,
    subject         TEXT   NOT NULL,
    notice          TEXT   NOT NULL,
    attempts        BIGINT NOT NULL,
    next_at         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL
);

CREATE INDEX notification_deliveries_due ON notification_deliveries (next_at);
CREATE INDEX notification_deliveries_order ON notification_deliveries (workspace, notification_id, subject, id);

-- state is that of the last run that ended: ok or failing. A flow without a row has not failed.
CREATE TABLE flow_standings (
    workspace TEXT   NOT NULL,
    flow_id   TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    since     BIGINT NOT NULL,
    PRIMARY KEY (workspace, flow_id)
);

-- state is what was told last: offline or online. A connection without a row has not been offline.
CREATE TABLE connection_standings (
    workspace     TEXT   NOT NULL,
    connection_id TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    since         BIGINT NOT NULL,
    PRIMARY KEY (workspace, connection_id)
);

-- hour is the last one in which a workspace was told that a team's push submissions are spent.
CREATE TABLE budget_notices (
    workspace TEXT   NOT NULL,
    domain    TEXT   NOT NULL,
    hour      BIGINT NOT NULL,
    PRIMARY KEY (workspace, domain)
);

CREATE INDEX runs_history ON runs (workspace, created_at, id);
CREATE INDEX runs_flow_history ON runs (workspace, flow_id, created_at, id);
CREATE INDEX runs_succeeded ON runs (workspace, flow_id, finished_at) WHERE state = 'succeeded';
CREATE INDEX runs_failed ON runs (workspace, flow_id, finished_at) WHERE state = 'failed';

-- +goose Down
DROP INDEX runs_failed;
DROP INDEX runs_succeeded;
DROP INDEX runs_flow_history;
DROP INDEX runs_history;
DROP TABLE budget_notices;
DROP TABLE connection_standings;
DROP TABLE flow_standings;
DROP TABLE notification_deliveries;
DROP TABLE notification_secrets;
DROP TABLE notifications;
