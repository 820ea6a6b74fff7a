-- +goose Up
CREATE TABLE audit_configurations (
    scope         BIGINT NOT NULL PRIMARY KEY,
    role_arn      TEXT COLLATE "C"    NOT NULL,
    notifications TEXT COLLATE "C"    NOT NULL,
    checks        TEXT COLLATE "C"    NOT NULL
);

-- progress holds the state and the counters of each check as JSON: one row,
-- written once a slice.
CREATE TABLE audits (
    seq            BIGINT PRIMARY KEY,
    scope          BIGINT NOT NULL,
    id             TEXT COLLATE "C"    NOT NULL,
    finding_prefix TEXT COLLATE "C"    NOT NULL,
    type           TEXT COLLATE "C"    NOT NULL,
    status         TEXT COLLATE "C"    NOT NULL,
    scheduled_name TEXT COLLATE "C"    NOT NULL,
    checks         TEXT COLLATE "C"    NOT NULL,
    progress       TEXT COLLATE "C"    NOT NULL,
    pass           BIGINT NOT NULL,
    position       BIGINT NOT NULL,
    findings       BIGINT NOT NULL,
    started_at     BIGINT NOT NULL,
    ended_at       BIGINT,
    UNIQUE (scope, id),
    UNIQUE (scope, finding_prefix)
) WITH (fillfactor = 85);
CREATE INDEX audits_started ON audits (scope, started_at, seq);
CREATE INDEX audits_running ON audits (scope) WHERE status = 'IN_PROGRESS';

-- resource_seq is the number that the resource had, 0 for one without.
CREATE TABLE findings (
    audit         BIGINT NOT NULL,
    n             BIGINT NOT NULL,
    scope         BIGINT NOT NULL,
    check_name    TEXT COLLATE "C"    NOT NULL,
    severity      TEXT COLLATE "C"    NOT NULL,
    resource_type TEXT COLLATE "C"    NOT NULL,
    resource      TEXT COLLATE "C"    NOT NULL,
    resource_seq  BIGINT NOT NULL,
    info          TEXT COLLATE "C"    NOT NULL,
    reason_code   TEXT COLLATE "C"    NOT NULL,
    reason        TEXT COLLATE "C"    NOT NULL,
    suppressed    BOOLEAN NOT NULL,
    found_at      BIGINT NOT NULL,
    PRIMARY KEY (audit, n)
);
CREATE INDEX findings_found ON findings (scope, found_at, audit, n);

CREATE TABLE finding_resources (
    audit         BIGINT NOT NULL,
    n             BIGINT NOT NULL,
    k             BIGINT NOT NULL,
    resource_type TEXT COLLATE "C"    NOT NULL,
    resource      TEXT COLLATE "C"    NOT NULL,
    info          TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (audit, n, k)
);

CREATE TABLE mitigation_actions (
    scope       BIGINT NOT NULL,
    name        TEXT COLLATE "C"    NOT NULL,
    id          TEXT COLLATE "C"    NOT NULL,
    type        TEXT COLLATE "C"    NOT NULL,
    role_arn    TEXT COLLATE "C"    NOT NULL,
    params      TEXT COLLATE "C"    NOT NULL,
    created_at  BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

-- A task has done everything up to the finding (at_audit, at_n); cursor is set
-- inside a finding that takes more than a slice.
CREATE TABLE mitigation_tasks (
    seq           BIGINT PRIMARY KEY,
    scope         BIGINT NOT NULL,
    id            TEXT COLLATE "C"    NOT NULL,
    token         TEXT COLLATE "C"    NOT NULL,
    request_hash  TEXT COLLATE "C"    NOT NULL,
    status        TEXT COLLATE "C"    NOT NULL,
    target        TEXT COLLATE "C"    NOT NULL,
    mapping       TEXT COLLATE "C"    NOT NULL,
    actions       TEXT COLLATE "C"    NOT NULL,
    stats         TEXT COLLATE "C"    NOT NULL,
    at_audit      BIGINT NOT NULL,
    at_n          BIGINT NOT NULL,
    cursor        TEXT COLLATE "C"    NOT NULL,
    started_at    BIGINT NOT NULL,
    ended_at      BIGINT,
    message       TEXT COLLATE "C"    NOT NULL,
    UNIQUE (scope, id),
    UNIQUE (scope, token)
) WITH (fillfactor = 85);
CREATE INDEX mitigation_tasks_started ON mitigation_tasks (scope, started_at, seq);
CREATE INDEX mitigation_tasks_running ON mitigation_tasks (scope) WHERE status = 'IN_PROGRESS';

-- What a task is aimed at: chosen findings, or (n = 0) all of an audit.
CREATE TABLE mitigation_targets (
    task  BIGINT NOT NULL,
    audit BIGINT NOT NULL,
    n     BIGINT NOT NULL,
    PRIMARY KEY (task, audit, n)
);
CREATE INDEX mitigation_targets_audit ON mitigation_targets (audit, n, task);

CREATE TABLE executions (
    task       BIGINT NOT NULL,
    audit      BIGINT NOT NULL,
    n          BIGINT NOT NULL,
    action     BIGINT NOT NULL,
    status     TEXT COLLATE "C"    NOT NULL,
    error_code TEXT COLLATE "C"    NOT NULL,
    message    TEXT COLLATE "C"    NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    PRIMARY KEY (task, audit, n, action)
);

CREATE TABLE execution_changes (
    task      BIGINT NOT NULL,
    audit     BIGINT NOT NULL,
    n         BIGINT NOT NULL,
    action    BIGINT NOT NULL,
    k         BIGINT NOT NULL,
    kind      TEXT COLLATE "C"    NOT NULL,
    resource  TEXT COLLATE "C"    NOT NULL,
    from_side TEXT COLLATE "C"    NOT NULL,
    to_side   TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (task, audit, n, action, k)
);
