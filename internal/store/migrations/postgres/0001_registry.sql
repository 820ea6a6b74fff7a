-- +goose Up
CREATE SEQUENCE numbers;

CREATE TABLE accounts (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "C"    NOT NULL,
    status     TEXT COLLATE "C"    NOT NULL,
    operator   BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- One account is the operator's.
CREATE UNIQUE INDEX accounts_operator ON accounts (operator) WHERE operator;

CREATE TABLE access_keys (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    account    TEXT COLLATE "C"    NOT NULL REFERENCES accounts (id),
    secret     BYTEA    NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX access_keys_account ON access_keys (account);

CREATE TABLE secrets (
    account    TEXT COLLATE "C"    NOT NULL,
    region     TEXT COLLATE "C"    NOT NULL,
    purpose    TEXT COLLATE "C"    NOT NULL,
    value      BYTEA    NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account, region, purpose)
);

CREATE TABLE nodes (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    beat_at    BIGINT NOT NULL,
    claimed_by TEXT COLLATE "C"    NOT NULL,
    claimed_at BIGINT NOT NULL
);

-- A scope is one account in one region: the first part of every other key.
CREATE TABLE scopes (
    scope   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    region  TEXT COLLATE "C" NOT NULL,
    UNIQUE (account, region)
);

CREATE TABLE things (
    scope      BIGINT NOT NULL,
    name       TEXT COLLATE "C"    NOT NULL,
    id         TEXT COLLATE "C"    NOT NULL,
    attributes TEXT COLLATE "C"    NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

CREATE TABLE thing_groups (
    scope       BIGINT NOT NULL,
    name        TEXT COLLATE "C"    NOT NULL,
    id          TEXT COLLATE "C"    NOT NULL,
    parent      TEXT COLLATE "C",
    root        TEXT COLLATE "C"    NOT NULL,
    depth       BIGINT NOT NULL,
    description TEXT COLLATE "C"    NOT NULL,
    attributes  TEXT COLLATE "C"    NOT NULL,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (scope, name),
    FOREIGN KEY (scope, parent) REFERENCES thing_groups (scope, name)
);
CREATE INDEX thing_groups_parent ON thing_groups (scope, parent);

-- root is the topmost ancestor of the group: a thing is in one group of a tree.
CREATE TABLE thing_group_members (
    scope       BIGINT NOT NULL,
    thing       TEXT COLLATE "C"    NOT NULL,
    root        TEXT COLLATE "C"    NOT NULL,
    thing_group TEXT COLLATE "C"    NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (scope, thing, root),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE,
    FOREIGN KEY (scope, thing_group) REFERENCES thing_groups (scope, name) ON DELETE CASCADE
);
CREATE INDEX thing_group_members_group ON thing_group_members (scope, thing_group, thing);

CREATE TABLE ca_certificates (
    seq                 BIGINT PRIMARY KEY,
    scope               BIGINT NOT NULL,
    id                  TEXT COLLATE "C"    NOT NULL,
    status              TEXT COLLATE "C"    NOT NULL,
    mode                TEXT COLLATE "C"    NOT NULL,
    auto_registration   TEXT COLLATE "C"    NOT NULL,
    registration_config TEXT COLLATE "C"    NOT NULL,
    subject             TEXT COLLATE "C"    NOT NULL,
    subject_key_id      TEXT COLLATE "C"    NOT NULL,
    key_type            TEXT COLLATE "C"    NOT NULL,
    key_bits            BIGINT NOT NULL,
    roca                BOOLEAN NOT NULL,
    debian_digest       TEXT COLLATE "C"    NOT NULL,
    badkeys_digest      TEXT COLLATE "C"    NOT NULL,
    not_before          BIGINT NOT NULL,
    not_after           BIGINT NOT NULL,
    generation          TEXT COLLATE "C"    NOT NULL,
    customer_version    BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    modified_at         BIGINT NOT NULL,
    pem                 TEXT COLLATE "C"    NOT NULL,
    UNIQUE (scope, id)
) WITH (fillfactor = 85);
CREATE INDEX ca_certificates_subject ON ca_certificates (scope, subject);

CREATE TABLE registration_codes (
    scope BIGINT NOT NULL PRIMARY KEY,
    code  TEXT COLLATE "C"    NOT NULL
);

-- The number of a certificate carries its scope in the high bits, so that the
-- certificates of a scope are one range of the primary key. The status changes
-- in bulk and is in no index.
CREATE TABLE certificates (
    seq              BIGINT PRIMARY KEY,
    scope            BIGINT NOT NULL,
    id               TEXT COLLATE "C"    NOT NULL,
    status           TEXT COLLATE "C"    NOT NULL,
    mode             TEXT COLLATE "C"    NOT NULL,
    ca_id            TEXT COLLATE "C"    NOT NULL,
    key_type         TEXT COLLATE "C"    NOT NULL,
    key_bits         BIGINT NOT NULL,
    roca             BOOLEAN NOT NULL,
    debian_digest    TEXT COLLATE "C"    NOT NULL,
    badkeys_digest   TEXT COLLATE "C"    NOT NULL,
    not_before       BIGINT NOT NULL,
    not_after        BIGINT NOT NULL,
    generation       TEXT COLLATE "C"    NOT NULL,
    customer_version BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    modified_at      BIGINT NOT NULL,
    UNIQUE (scope, id)
) WITH (fillfactor = 85);
CREATE INDEX certificates_ca ON certificates (scope, ca_id, seq) WHERE ca_id <> '';

CREATE TABLE certificate_pems (
    seq BIGINT PRIMARY KEY REFERENCES certificates (seq) ON DELETE CASCADE,
    pem TEXT COLLATE "C" NOT NULL
);

CREATE TABLE thing_principals (
    scope       BIGINT NOT NULL,
    certificate TEXT COLLATE "C"    NOT NULL,
    thing       TEXT COLLATE "C"    NOT NULL,
    exclusive   BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (scope, certificate, thing),
    FOREIGN KEY (scope, certificate) REFERENCES certificates (scope, id),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name)
);
CREATE INDEX thing_principals_thing ON thing_principals (scope, thing, certificate);

CREATE TABLE policies (
    seq             BIGINT PRIMARY KEY,
    scope           BIGINT NOT NULL,
    name            TEXT COLLATE "C"    NOT NULL,
    default_version BIGINT NOT NULL,
    next_version    BIGINT NOT NULL,
    generation      TEXT COLLATE "C"    NOT NULL,
    created_at      BIGINT NOT NULL,
    modified_at     BIGINT NOT NULL,
    UNIQUE (scope, name)
);

CREATE TABLE policy_versions (
    scope          BIGINT NOT NULL,
    policy         TEXT COLLATE "C"    NOT NULL,
    version        BIGINT NOT NULL,
    document       TEXT COLLATE "C"    NOT NULL,
    blank          BOOLEAN NOT NULL,
    broad_actions  TEXT COLLATE "C"    NOT NULL,
    deny_wildcards BOOLEAN NOT NULL,
    deny_bypass    BOOLEAN NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (scope, policy, version),
    FOREIGN KEY (scope, policy) REFERENCES policies (scope, name) ON DELETE CASCADE
);

-- A target is "cert/<certificate id>" or "thinggroup/<name>".
CREATE TABLE policy_targets (
    scope      BIGINT NOT NULL,
    policy     TEXT COLLATE "C"    NOT NULL,
    target     TEXT COLLATE "C"    NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, policy, target),
    FOREIGN KEY (scope, policy) REFERENCES policies (scope, name)
);
CREATE INDEX policy_targets_target ON policy_targets (scope, target, policy);

CREATE TABLE logging_options (
    scope                BIGINT NOT NULL PRIMARY KEY,
    v1_role              TEXT COLLATE "C"    NOT NULL,
    v1_level             TEXT COLLATE "C"    NOT NULL,
    v2_configured        BOOLEAN NOT NULL,
    v2_role              TEXT COLLATE "C"    NOT NULL,
    v2_level             TEXT COLLATE "C"    NOT NULL,
    v2_disabled          BOOLEAN NOT NULL,
    event_configurations TEXT COLLATE "C"    NOT NULL
);

CREATE TABLE tags (
    scope BIGINT NOT NULL,
    arn   TEXT COLLATE "C"    NOT NULL,
    key   TEXT COLLATE "C"    NOT NULL,
    value TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (scope, arn, key)
);
