-- +goose Up
-- Identity pools. settings and roles are JSON.
CREATE TABLE identity_pools (
    scope      INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    settings   TEXT    NOT NULL,
    roles      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
);

-- Which services roles have used, by reports that were imported. reported_at is
-- when AWS made the report.
CREATE TABLE access_reports (
    account     TEXT    NOT NULL,
    role_arn    TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    reported_at INTEGER NOT NULL,
    stored_at   INTEGER NOT NULL,
    PRIMARY KEY (account, role_arn)
);

-- What a report says of a service. last_at is NULL for one that was not used.
CREATE TABLE access_services (
    account   TEXT    NOT NULL,
    role_arn  TEXT    NOT NULL,
    namespace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    last_at   INTEGER,
    entity    TEXT    NOT NULL,
    region    TEXT    NOT NULL,
    entities  INTEGER NOT NULL,
    PRIMARY KEY (account, role_arn, namespace)
);

-- What GenerateServiceLastAccessedDetails was asked for.
CREATE TABLE access_jobs (
    account    TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    role_arn   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE INDEX access_jobs_created ON access_jobs (account, created_at);
