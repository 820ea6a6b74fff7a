-- +goose Up
CREATE TABLE numbers (value INTEGER NOT NULL);
INSERT INTO numbers (value) VALUES (0);

CREATE TABLE accounts (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    operator   BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL
);

-- One account is the operator's.
CREATE UNIQUE INDEX accounts_operator ON accounts (operator) WHERE operator;

CREATE TABLE access_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    account    TEXT    NOT NULL REFERENCES accounts (id),
    secret     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX access_keys_account ON access_keys (account);

CREATE TABLE secrets (
    account    TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    value      BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, region, purpose)
);

CREATE TABLE nodes (
    id         TEXT    NOT NULL PRIMARY KEY,
    beat_at    INTEGER NOT NULL,
    claimed_by TEXT    NOT NULL,
    claimed_at INTEGER NOT NULL
);

-- A scope is one account in one region: the first part of every other key.
CREATE TABLE scopes (
    scope   INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    UNIQUE (account, region)
);

CREATE TABLE things (
    scope      INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    attributes TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
);

CREATE TABLE thing_groups (
    scope       INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    parent      TEXT,
    root        TEXT    NOT NULL,
    depth       INTEGER NOT NULL,
    description TEXT    NOT NULL,
    attributes  TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, name),
    FOREIGN KEY (scope, parent) REFERENCES thing_groups (scope, name)
);
CREATE INDEX thing_groups_parent ON thing_groups (scope, parent);

-- root is the topmost ancestor of the group: a thing is in one group of a tree.
CREATE TABLE thing_group_members (
    scope       INTEGER NOT NULL,
    thing       TEXT    NOT NULL,
    root        TEXT    NOT NULL,
    thing_group TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, thing, root),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE,
    FOREIGN KEY (scope, thing_group) REFERENCES thing_groups (scope, name) ON DELETE CASCADE
);
CREATE INDEX thing_group_members_group ON thing_group_members (scope, thing_group, thing);

CREATE TABLE ca_certificates (
    seq                 INTEGER PRIMARY KEY,
    scope               INTEGER NOT NULL,
    id                  TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    mode                TEXT    NOT NULL,
    auto_registration   TEXT    NOT NULL,
    registration_config TEXT    NOT NULL,
    subject             TEXT    NOT NULL,
    subject_key_id      TEXT    NOT NULL,
    key_type            TEXT    NOT NULL,
    key_bits            INTEGER NOT NULL,
    roca                BOOLEAN NOT NULL,
    debian_digest       TEXT    NOT NULL,
    badkeys_digest      TEXT    NOT NULL,
    not_before          INTEGER NOT NULL,
    not_after           INTEGER NOT NULL,
    generation          TEXT    NOT NULL,
    customer_version    INTEGER NOT NULL,
    created_at          INTEGER NOT NULL,
    modified_at         INTEGER NOT NULL,
    pem                 TEXT    NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX ca_certificates_subject ON ca_certificates (scope, subject);

CREATE TABLE registration_codes (
    scope INTEGER NOT NULL PRIMARY KEY,
    code  TEXT    NOT NULL
);

-- The number of a certificate carries its scope in the high bits, so that the
-- certificates of a scope are one range of the primary key. The status changes
-- in bulk and is in no index.
CREATE TABLE certificates (
    seq              INTEGER PRIMARY KEY,
    scope            INTEGER NOT NULL,
    id               TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    mode             TEXT    NOT NULL,
    ca_id            TEXT    NOT NULL,
    key_type         TEXT    NOT NULL,
    key_bits         INTEGER NOT NULL,
    roca             BOOLEAN NOT NULL,
    debian_digest    TEXT    NOT NULL,
    badkeys_digest   TEXT    NOT NULL,
    not_before       INTEGER NOT NULL,
    not_after        INTEGER NOT NULL,
    generation       TEXT    NOT NULL,
    customer_version INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    modified_at      INTEGER NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX certificates_ca ON certificates (scope, ca_id, seq) WHERE ca_id <> '';

CREATE TABLE certificate_pems (
    seq INTEGER PRIMARY KEY REFERENCES certificates (seq) ON DELETE CASCADE,
    pem TEXT NOT NULL
);

CREATE TABLE thing_principals (
    scope       INTEGER NOT NULL,
    certificate TEXT    NOT NULL,
    thing       TEXT    NOT NULL,
    exclusive   BOOLEAN NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, certificate, thing),
    FOREIGN KEY (scope, certificate) REFERENCES certificates (scope, id),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name)
);
CREATE INDEX thing_principals_thing ON thing_principals (scope, thing, certificate);

CREATE TABLE policies (
    seq             INTEGER PRIMARY KEY,
    scope           INTEGER NOT NULL,
    name            TEXT    NOT NULL,
    default_version INTEGER NOT NULL,
    next_version    INTEGER NOT NULL,
    generation      TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    modified_at     INTEGER NOT NULL,
    UNIQUE (scope, name)
);

CREATE TABLE policy_versions (
    scope          INTEGER NOT NULL,
    policy         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    document       TEXT    NOT NULL,
    blank          BOOLEAN NOT NULL,
    broad_actions  TEXT    NOT NULL,
    deny_wildcards BOOLEAN NOT NULL,
    deny_bypass    BOOLEAN NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (scope, policy, version),
    FOREIGN KEY (scope, policy) REFERENCES policies (scope, name) ON DELETE CASCADE
);

-- A target is "cert/<certificate id>" or "thinggroup/<name>".
CREATE TABLE policy_targets (
    scope      INTEGER NOT NULL,
    policy     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, policy, target),
    FOREIGN KEY (scope, policy) REFERENCES policies (scope, name)
);
CREATE INDEX policy_targets_target ON policy_targets (scope, target, policy);

CREATE TABLE logging_options (
    scope                INTEGER NOT NULL PRIMARY KEY,
    v1_role              TEXT    NOT NULL,
    v1_level             TEXT    NOT NULL,
    v2_configured        BOOLEAN NOT NULL,
    v2_role              TEXT    NOT NULL,
    v2_level             TEXT    NOT NULL,
    v2_disabled          BOOLEAN NOT NULL,
    event_configurations TEXT    NOT NULL
);

CREATE TABLE tags (
    scope INTEGER NOT NULL,
    arn   TEXT    NOT NULL,
    key   TEXT    NOT NULL,
    value TEXT    NOT NULL,
    PRIMARY KEY (scope, arn, key)
);
