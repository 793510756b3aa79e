-- Who changed what and when. Rows are only ever added.

-- +goose Up
CREATE TABLE audit_events (
    id         TEXT   NOT NULL PRIMARY KEY,
    workspace  TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    object_id  TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    fields     TEXT   NOT NULL
);

CREATE INDEX audit_events_workspace ON audit_events (workspace, id);
CREATE INDEX audit_events_object ON audit_events (workspace, object_id, id);

-- +goose Down
DROP TABLE audit_events;
