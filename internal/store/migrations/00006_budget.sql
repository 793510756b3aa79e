-- +goose Up
-- What a Celonis team, which is its domain, has submitted in a UTC clock hour,
-- by all processes and workspaces. next_at is the next moment that the limit
-- per second leaves free; until spent_until Celonis itself refuses.
CREATE TABLE push_budgets (
    domain      TEXT   NOT NULL,
    hour        BIGINT NOT NULL,
    used        BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    spent_until BIGINT NOT NULL,
    PRIMARY KEY (domain, hour)
);

-- What Celonis told of a team's limits, 0 for what it did not tell, and when it was asked.
CREATE TABLE push_limits (
    domain     TEXT    NOT NULL PRIMARY KEY,
    per_hour   BIGINT  NOT NULL,
    per_second BIGINT  NOT NULL,
    unlimited  BOOLEAN NOT NULL,
    told_at    BIGINT  NOT NULL
);

-- push_permits counts the submissions that the run was granted; the others sum
-- up the batches that joined it while it gathered.
ALTER TABLE runs ADD COLUMN push_permits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN gathered_records BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN gathered_bytes BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE runs DROP COLUMN gathered_bytes;
ALTER TABLE runs DROP COLUMN gathered_records;
ALTER TABLE runs DROP COLUMN push_permits;
DROP TABLE push_limits;
DROP TABLE push_budgets;
