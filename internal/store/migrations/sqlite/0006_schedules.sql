-- +goose Up
-- The time that checks over connections look at.
ALTER TABLE audits ADD COLUMN window_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audits ADD COLUMN window_to INTEGER NOT NULL DEFAULT 0;
CREATE INDEX audits_ended ON audits (ended_at, seq) WHERE ended_at IS NOT NULL;
CREATE INDEX mitigation_tasks_ended ON mitigation_tasks (ended_at, seq) WHERE ended_at IS NOT NULL;

-- next_run was worked out with the time of day, in minutes. last_due and
-- last_run are NULL before the first run.
CREATE TABLE scheduled_audits (
    scope        INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    frequency    TEXT    NOT NULL,
    day_of_month TEXT    NOT NULL,
    day_of_week  TEXT    NOT NULL,
    checks       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    time_of_day  INTEGER NOT NULL,
    next_run     INTEGER NOT NULL,
    last_due     INTEGER,
    last_run     INTEGER,
    PRIMARY KEY (scope, name)
);
CREATE INDEX scheduled_audits_next ON scheduled_audits (next_run);

-- Messages for topics. The id says what a message is about, so that there is
-- one of each.
CREATE TABLE outgoing_messages (
    seq        INTEGER PRIMARY KEY,
    scope      INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    topic_arn  TEXT    NOT NULL,
    role_arn   TEXT    NOT NULL,
    payload    TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX outgoing_messages_created ON outgoing_messages (created_at, seq);

-- What hung on an audit ("audit") or a mitigation task ("task") that is gone,
-- and is being deleted.
CREATE TABLE leftovers (
    seq  INTEGER PRIMARY KEY,
    kind TEXT    NOT NULL
);

-- Who of the nodes deletes what is too old, and until when.
CREATE TABLE purge_lease (
    node  TEXT    NOT NULL,
    until INTEGER NOT NULL
);
INSERT INTO purge_lease (node, until) VALUES ('', 0);
