-- +goose Up
CREATE TABLE audit_configurations (
    scope         INTEGER NOT NULL PRIMARY KEY,
    role_arn      TEXT    NOT NULL,
    notifications TEXT    NOT NULL,
    checks        TEXT    NOT NULL
);

-- progress holds the state and the counters of each check as JSON: one row,
-- written once a slice.
CREATE TABLE audits (
    seq            INTEGER PRIMARY KEY,
    scope          INTEGER NOT NULL,
    id             TEXT    NOT NULL,
    finding_prefix TEXT    NOT NULL,
    type           TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    scheduled_name TEXT    NOT NULL,
    checks         TEXT    NOT NULL,
    progress       TEXT    NOT NULL,
    pass           INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    findings       INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    UNIQUE (scope, id),
    UNIQUE (scope, finding_prefix)
);
CREATE INDEX audits_started ON audits (scope, started_at, seq);
CREATE INDEX audits_running ON audits (scope) WHERE status = 'IN_PROGRESS';

-- resource_seq is the number that the resource had, 0 for one without.
CREATE TABLE findings (
    audit         INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    scope         INTEGER NOT NULL,
    check_name    TEXT    NOT NULL,
    severity      TEXT    NOT NULL,
    resource_type TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    resource_seq  INTEGER NOT NULL,
    info          TEXT    NOT NULL,
    reason_code   TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    suppressed    BOOLEAN NOT NULL,
    found_at      INTEGER NOT NULL,
    PRIMARY KEY (audit, n)
) WITHOUT ROWID;
CREATE INDEX findings_found ON findings (scope, found_at, audit, n);

CREATE TABLE finding_resources (
    audit         INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    k             INTEGER NOT NULL,
    resource_type TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    info          TEXT    NOT NULL,
    PRIMARY KEY (audit, n, k)
) WITHOUT ROWID;

CREATE TABLE mitigation_actions (
    scope       INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    role_arn    TEXT    NOT NULL,
    params      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
);

-- A task has done everything up to the finding (at_audit, at_n); cursor is set
-- inside a finding that takes more than a slice.
CREATE TABLE mitigation_tasks (
    seq           INTEGER PRIMARY KEY,
    scope         INTEGER NOT NULL,
    id            TEXT    NOT NULL,
    token         TEXT    NOT NULL,
    request_hash  TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    target        TEXT    NOT NULL,
    mapping       TEXT    NOT NULL,
    actions       TEXT    NOT NULL,
    stats         TEXT    NOT NULL,
    at_audit      INTEGER NOT NULL,
    at_n          INTEGER NOT NULL,
    cursor        TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    message       TEXT    NOT NULL,
    UNIQUE (scope, id),
    UNIQUE (scope, token)
);
CREATE INDEX mitigation_tasks_started ON mitigation_tasks (scope, started_at, seq);
CREATE INDEX mitigation_tasks_running ON mitigation_tasks (scope) WHERE status = 'IN_PROGRESS';

-- What a task is aimed at: chosen findings, or (n = 0) all of an audit.
CREATE TABLE mitigation_targets (
    task  INTEGER NOT NULL,
    audit INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (task, audit, n)
) WITHOUT ROWID;
CREATE INDEX mitigation_targets_audit ON mitigation_targets (audit, n, task);

CREATE TABLE executions (
    task       INTEGER NOT NULL,
    audit      INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    action     INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    error_code TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    PRIMARY KEY (task, audit, n, action)
) WITHOUT ROWID;

CREATE TABLE execution_changes (
    task      INTEGER NOT NULL,
    audit     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    action    INTEGER NOT NULL,
    k         INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    resource  TEXT    NOT NULL,
    from_side TEXT    NOT NULL,
    to_side   TEXT    NOT NULL,
    PRIMARY KEY (task, audit, n, action, k)
) WITHOUT ROWID;
