-- Conversations with agents of Celonis that are kept under a name, one for each agent of a connection.

-- +goose Up
CREATE TABLE chat_threads (
    workspace       TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    connection_id   TEXT   NOT NULL,
    agent           TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    conversation_id TEXT   NOT NULL,
    messages        BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, connection_id, agent, name),
    FOREIGN KEY (workspace, connection_id) REFERENCES connections (workspace, id)
);

CREATE INDEX chat_threads_age ON chat_threads (workspace, connection_id, updated_at);

-- What agents answered to the questions of a run's lookups, until the run ends. question is the SHA-256 in hex of what
-- was asked; fence tells which attempt has asked it last.
CREATE TABLE lookup_answers (
    workspace TEXT   NOT NULL,
    flow_id   TEXT   NOT NULL,
    run_id    TEXT   NOT NULL,
    lookup    TEXT   NOT NULL,
    question  TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    tries     BIGINT NOT NULL,
    fence     BIGINT NOT NULL,
    answer    TEXT   NOT NULL,
    PRIMARY KEY (run_id, lookup, question)
);

CREATE INDEX lookup_answers_flow ON lookup_answers (workspace, flow_id);

-- +goose Down
DROP TABLE lookup_answers;
DROP TABLE chat_threads;
