-- +goose Up
-- Identity pools. settings and roles are JSON.
CREATE TABLE identity_pools (
    scope      BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    settings   TEXT COLLATE "C" NOT NULL,
    roles      TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, id)
);

-- Which services roles have used, by reports that were imported. reported_at is
-- when AWS made the report.
CREATE TABLE access_reports (
    account     TEXT COLLATE "C" NOT NULL,
    role_arn    TEXT COLLATE "C" NOT NULL,
    source      TEXT COLLATE "C" NOT NULL,
    reported_at BIGINT NOT NULL,
    stored_at   BIGINT NOT NULL,
    PRIMARY KEY (account, role_arn)
);

-- What a report says of a service. last_at is NULL for one that was not used.
CREATE TABLE access_services (
    account   TEXT COLLATE "C" NOT NULL,
    role_arn  TEXT COLLATE "C" NOT NULL,
    namespace TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    last_at   BIGINT,
    entity    TEXT COLLATE "C" NOT NULL,
    region    TEXT COLLATE "C" NOT NULL,
    entities  BIGINT NOT NULL,
    PRIMARY KEY (account, role_arn, namespace)
);

-- What GenerateServiceLastAccessedDetails was asked for.
CREATE TABLE access_jobs (
    account    TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    role_arn   TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE INDEX access_jobs_created ON access_jobs (account, created_at);
