-- +goose Up
-- iam_version counts the changes to the identities and policies of an account:
-- what was read of them is good for one version. Whoever changes them raises it
-- first, and so comes before or behind every other.
ALTER TABLE accounts ADD COLUMN iam_version INTEGER NOT NULL DEFAULT 0;

-- folded is the name without case, in which it is unique. boundary is an ARN, or
-- empty.
CREATE TABLE iam_users (
    seq        INTEGER NOT NULL PRIMARY KEY,
    account    TEXT    NOT NULL REFERENCES accounts (id),
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    folded     TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    boundary   TEXT    NOT NULL,
    tags       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account, folded)
);
CREATE INDEX iam_users_path ON iam_users (account, path, folded);
CREATE INDEX iam_users_boundary ON iam_users (account, boundary) WHERE boundary <> '';

CREATE TABLE iam_groups (
    seq        INTEGER NOT NULL PRIMARY KEY,
    account    TEXT    NOT NULL REFERENCES accounts (id),
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    folded     TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account, folded)
);
CREATE INDEX iam_groups_path ON iam_groups (account, path, folded);

CREATE TABLE iam_group_members (
    user_seq  INTEGER NOT NULL REFERENCES iam_users (seq),
    group_seq INTEGER NOT NULL REFERENCES iam_groups (seq),
    PRIMARY KEY (user_seq, group_seq)
);
CREATE INDEX iam_group_members_group ON iam_group_members (group_seq, user_seq);

-- max_session is in seconds. last_used_at is 0 for a role that was never used.
CREATE TABLE iam_roles (
    seq              INTEGER NOT NULL PRIMARY KEY,
    account          TEXT    NOT NULL REFERENCES accounts (id),
    id               TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL,
    folded           TEXT    NOT NULL,
    path             TEXT    NOT NULL,
    trust            TEXT    NOT NULL,
    description      TEXT    NOT NULL,
    max_session      INTEGER NOT NULL,
    boundary         TEXT    NOT NULL,
    tags             TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    last_used_at     INTEGER NOT NULL DEFAULT 0,
    last_used_region TEXT    NOT NULL DEFAULT '',
    UNIQUE (account, folded)
);
CREATE INDEX iam_roles_path ON iam_roles (account, path, folded);
CREATE INDEX iam_roles_boundary ON iam_roles (account, boundary) WHERE boundary <> '';

-- attached and bounds count the users, groups and roles that have the policy
-- attached, and those that have it as their boundary.
CREATE TABLE iam_policies (
    seq             INTEGER NOT NULL PRIMARY KEY,
    account         TEXT    NOT NULL REFERENCES accounts (id),
    id              TEXT    NOT NULL UNIQUE,
    name            TEXT    NOT NULL,
    folded          TEXT    NOT NULL,
    path            TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    default_version INTEGER NOT NULL,
    next_version    INTEGER NOT NULL,
    attached        INTEGER NOT NULL DEFAULT 0,
    bounds          INTEGER NOT NULL DEFAULT 0,
    tags            TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (account, folded)
);
CREATE INDEX iam_policies_path ON iam_policies (account, path, folded);
CREATE INDEX iam_policies_attached ON iam_policies (account, path, folded) WHERE attached > 0;
CREATE INDEX iam_policies_bounds ON iam_policies (account, path, folded) WHERE bounds > 0;

CREATE TABLE iam_policy_versions (
    policy_seq INTEGER NOT NULL REFERENCES iam_policies (seq),
    version    INTEGER NOT NULL,
    document   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (policy_seq, version)
);

-- owner_kind is user, group or role.
CREATE TABLE iam_inline_policies (
    owner_kind TEXT    NOT NULL,
    owner_seq  INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    PRIMARY KEY (owner_kind, owner_seq, name)
);

-- policy_arn is a policy of the account or of AWS.
CREATE TABLE iam_attachments (
    owner_kind TEXT    NOT NULL,
    owner_seq  INTEGER NOT NULL,
    policy_arn TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    PRIMARY KEY (owner_kind, owner_seq, policy_arn)
);
CREATE INDEX iam_attachments_policy ON iam_attachments (account, policy_arn);

-- user_seq is empty for the root key. last_used_at is 0 for a key that was never
-- used.
ALTER TABLE access_keys ADD COLUMN user_seq INTEGER REFERENCES iam_users (seq);
ALTER TABLE access_keys ADD COLUMN status TEXT NOT NULL DEFAULT 'Active';
ALTER TABLE access_keys ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE access_keys ADD COLUMN last_used_service TEXT NOT NULL DEFAULT '';
ALTER TABLE access_keys ADD COLUMN last_used_region TEXT NOT NULL DEFAULT '';
CREATE INDEX access_keys_user ON access_keys (user_seq, id) WHERE user_seq IS NOT NULL;
