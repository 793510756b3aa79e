-- How far each flow has come in its source.

-- +goose Up
CREATE TABLE flow_watermarks (
    workspace  TEXT NOT NULL,
    flow_id    TEXT NOT NULL,
    watermark  TEXT NOT NULL DEFAULT '',
    -- The run that brought it there; '' when a caller set it.
    run_id     TEXT NOT NULL DEFAULT '',
    -- How often a caller has set it: a run that began in an older edition does not move it.
    edition    BIGINT NOT NULL DEFAULT 0,
    updated_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, flow_id),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id)
);

-- +goose Down
DROP TABLE flow_watermarks;
