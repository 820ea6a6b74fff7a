-- +goose Up
-- The time that checks over connections look at.
ALTER TABLE audits ADD COLUMN window_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audits ADD COLUMN window_to BIGINT NOT NULL DEFAULT 0;
CREATE INDEX audits_ended ON audits (ended_at, seq) WHERE ended_at IS NOT NULL;
CREATE INDEX mitigation_tasks_ended ON mitigation_tasks (ended_at, seq) WHERE ended_at IS NOT NULL;

-- next_run was worked out with the time of day, in minutes. last_due and
-- last_run are NULL before the first run.
CREATE TABLE scheduled_audits (
    scope        BIGINT NOT NULL,
    name         TEXT COLLATE "C"    NOT NULL,
    frequency    TEXT COLLATE "C"    NOT NULL,
    day_of_month TEXT COLLATE "C"    NOT NULL,
    day_of_week  TEXT COLLATE "C"    NOT NULL,
    checks       TEXT COLLATE "C"    NOT NULL,
    created_at   BIGINT NOT NULL,
    time_of_day  BIGINT NOT NULL,
    next_run     BIGINT NOT NULL,
    last_due     BIGINT,
    last_run     BIGINT,
    PRIMARY KEY (scope, name)
);
CREATE INDEX scheduled_audits_next ON scheduled_audits (next_run);

-- Messages for topics. The id says what a message is about, so that there is
-- one of each.
CREATE TABLE outgoing_messages (
    seq        BIGINT PRIMARY KEY,
    scope      BIGINT NOT NULL,
    id         TEXT COLLATE "C"    NOT NULL,
    topic_arn  TEXT COLLATE "C"    NOT NULL,
    role_arn   TEXT COLLATE "C"    NOT NULL,
    payload    TEXT COLLATE "C"    NOT NULL,
    state      TEXT COLLATE "C"    NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX outgoing_messages_created ON outgoing_messages (created_at, seq);

-- What hung on an audit ("audit") or a mitigation task ("task") that is gone,
-- and is being deleted.
CREATE TABLE leftovers (
    seq  BIGINT PRIMARY KEY,
    kind TEXT COLLATE "C"    NOT NULL
);

-- Who of the nodes deletes what is too old, and until when.
CREATE TABLE purge_lease (
    node  TEXT COLLATE "C"    NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO purge_lease (node, until) VALUES ('', 0);
