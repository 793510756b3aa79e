-- Every connection that a flow uses; a row keeps its connection from being deleted.

-- +goose Up
CREATE TABLE flow_connections (
    workspace     TEXT NOT NULL,
    flow_id       TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    PRIMARY KEY (workspace, flow_id, connection_id),
    FOREIGN KEY (workspace, flow_id) REFERENCES flows (workspace, id),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

CREATE INDEX flow_connections_connection ON flow_connections (workspace, connection_id);

INSERT INTO flow_connections (workspace, flow_id, connection_id)
    SELECT workspace, id, connection_id FROM flows WHERE connection_id IS NOT NULL;

-- What a run does otherwise than its flow says, as JSON.
ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE runs DROP COLUMN options;
DROP TABLE flow_connections;
