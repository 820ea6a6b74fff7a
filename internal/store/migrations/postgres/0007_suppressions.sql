-- +goose Up
-- expires_at is far behind all times for one without end; seq makes the order
-- of equal ends.
CREATE TABLE suppressions (
    seq           BIGINT NOT NULL,
    scope         BIGINT NOT NULL,
    check_name    TEXT COLLATE "C"    NOT NULL,
    resource      TEXT COLLATE "C"    NOT NULL,
    resource_type TEXT COLLATE "C"    NOT NULL,
    expires_at    BIGINT NOT NULL,
    description   TEXT COLLATE "C"    NOT NULL,
    token         TEXT COLLATE "C"    NOT NULL,
    request_hash  TEXT COLLATE "C"    NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (scope, check_name, resource),
    UNIQUE (seq),
    UNIQUE (scope, token)
);
CREATE INDEX suppressions_end ON suppressions (scope, expires_at, seq);
CREATE INDEX suppressions_check ON suppressions (scope, check_name, expires_at, seq);
CREATE INDEX suppressions_resource ON suppressions (scope, resource, expires_at, seq);
CREATE INDEX suppressions_expired ON suppressions (expires_at) WHERE expires_at < 9223372036854775807;

CREATE TABLE role_aliases (
    scope       BIGINT NOT NULL,
    name        TEXT COLLATE "C"    NOT NULL,
    role_arn    TEXT COLLATE "C"    NOT NULL,
    seconds     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

-- The levels of all targets but the default, which is one of the options.
CREATE TABLE logging_levels (
    scope       BIGINT NOT NULL,
    target_type TEXT COLLATE "C"    NOT NULL,
    target_name TEXT COLLATE "C"    NOT NULL,
    level       TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (scope, target_type, target_name)
);
