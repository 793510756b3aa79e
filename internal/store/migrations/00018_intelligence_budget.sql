-- +goose Up
-- What a Celonis team, which is its domain, has asked the Intelligence API in
-- a UTC day, by all processes and workspaces. next_at is the next moment that
-- the limit per second leaves free; until spent_until Celonis itself refuses.
CREATE TABLE intelligence_budgets (
    domain      TEXT   NOT NULL,
    day         BIGINT NOT NULL,
    used        BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    spent_until BIGINT NOT NULL,
    PRIMARY KEY (domain, day)
);

-- The runs that read now: how many requests each was granted, and needs in all.
CREATE TABLE intelligence_runs (
    domain     TEXT   NOT NULL,
    run_id     TEXT   NOT NULL,
    taken      BIGINT NOT NULL,
    expected   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (domain, run_id)
);

-- +goose Down
DROP TABLE intelligence_runs;
DROP TABLE intelligence_budgets;
