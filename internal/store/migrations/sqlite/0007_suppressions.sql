-- +goose Up
-- expires_at is far behind all times for one without end. Many have that one:
-- seq makes their order, and is not the row's own number, for SQLite would not
-- begin a page in the middle of them.
CREATE TABLE suppressions (
    seq           INTEGER NOT NULL,
    scope         INTEGER NOT NULL,
    check_name    TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    resource_type TEXT    NOT NULL,
    expires_at    INTEGER NOT NULL,
    description   TEXT    NOT NULL,
    token         TEXT    NOT NULL,
    request_hash  TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (scope, check_name, resource),
    UNIQUE (seq),
    UNIQUE (scope, token)
);
CREATE INDEX suppressions_end ON suppressions (scope, expires_at, seq);
CREATE INDEX suppressions_check ON suppressions (scope, check_name, expires_at, seq);
CREATE INDEX suppressions_resource ON suppressions (scope, resource, expires_at, seq);
CREATE INDEX suppressions_expired ON suppressions (expires_at) WHERE expires_at < 9223372036854775807;

CREATE TABLE role_aliases (
    scope       INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    role_arn    TEXT    NOT NULL,
    seconds     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
);

-- The levels of all targets but the default, which is one of the options.
CREATE TABLE logging_levels (
    scope       INTEGER NOT NULL,
    target_type TEXT    NOT NULL,
    target_name TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    PRIMARY KEY (scope, target_type, target_name)
);
