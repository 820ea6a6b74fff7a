-- +goose Up
-- iam_version counts the changes to the identities and policies of an account:
-- what was read of them is good for one version. Whoever changes them raises it
-- first, and so comes before or behind every other.
ALTER TABLE accounts ADD COLUMN iam_version BIGINT NOT NULL DEFAULT 0;

-- folded is the name without case, in which it is unique. boundary is an ARN, or
-- empty.
CREATE TABLE iam_users (
    seq        BIGINT NOT NULL PRIMARY KEY,
    account    TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    id         TEXT COLLATE "C" NOT NULL UNIQUE,
    name       TEXT COLLATE "C" NOT NULL,
    folded     TEXT COLLATE "C" NOT NULL,
    path       TEXT COLLATE "C" NOT NULL,
    boundary   TEXT COLLATE "C" NOT NULL,
    tags       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (account, folded)
);
CREATE INDEX iam_users_path ON iam_users (account, path, folded);
CREATE INDEX iam_users_boundary ON iam_users (account, boundary) WHERE boundary <> '';

CREATE TABLE iam_groups (
    seq        BIGINT NOT NULL PRIMARY KEY,
    account    TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    id         TEXT COLLATE "C" NOT NULL UNIQUE,
    name       TEXT COLLATE "C" NOT NULL,
    folded     TEXT COLLATE "C" NOT NULL,
    path       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (account, folded)
);
CREATE INDEX iam_groups_path ON iam_groups (account, path, folded);

CREATE TABLE iam_group_members (
    user_seq  BIGINT NOT NULL REFERENCES iam_users (seq),
    group_seq BIGINT NOT NULL REFERENCES iam_groups (seq),
    PRIMARY KEY (user_seq, group_seq)
);
CREATE INDEX iam_group_members_group ON iam_group_members (group_seq, user_seq);

-- max_session is in seconds. last_used_at is 0 for a role that was never used.
CREATE TABLE iam_roles (
    seq              BIGINT NOT NULL PRIMARY KEY,
    account          TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    id               TEXT COLLATE "C" NOT NULL UNIQUE,
    name             TEXT COLLATE "C" NOT NULL,
    folded           TEXT COLLATE "C" NOT NULL,
    path             TEXT COLLATE "C" NOT NULL,
    trust            TEXT COLLATE "C" NOT NULL,
    description      TEXT COLLATE "C" NOT NULL,
    max_session      BIGINT NOT NULL,
    boundary         TEXT COLLATE "C" NOT NULL,
    tags             TEXT COLLATE "C" NOT NULL,
    created_at       BIGINT NOT NULL,
    last_used_at     BIGINT NOT NULL DEFAULT 0,
    last_used_region TEXT COLLATE "C" NOT NULL DEFAULT '',
    UNIQUE (account, folded)
);
CREATE INDEX iam_roles_path ON iam_roles (account, path, folded);
CREATE INDEX iam_roles_boundary ON iam_roles (account, boundary) WHERE boundary <> '';

-- attached and bounds count the users, groups and roles that have the policy
-- attached, and those that have it as their boundary.
CREATE TABLE iam_policies (
    seq             BIGINT NOT NULL PRIMARY KEY,
    account         TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    id              TEXT COLLATE "C" NOT NULL UNIQUE,
    name            TEXT COLLATE "C" NOT NULL,
    folded          TEXT COLLATE "C" NOT NULL,
    path            TEXT COLLATE "C" NOT NULL,
    description     TEXT COLLATE "C" NOT NULL,
    default_version BIGINT NOT NULL,
    next_version    BIGINT NOT NULL,
    attached        BIGINT NOT NULL DEFAULT 0,
    bounds          BIGINT NOT NULL DEFAULT 0,
    tags            TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (account, folded)
);
CREATE INDEX iam_policies_path ON iam_policies (account, path, folded);
CREATE INDEX iam_policies_attached ON iam_policies (account, path, folded) WHERE attached > 0;
CREATE INDEX iam_policies_bounds ON iam_policies (account, path, folded) WHERE bounds > 0;

CREATE TABLE iam_policy_versions (
    policy_seq BIGINT NOT NULL REFERENCES iam_policies (seq),
    version    BIGINT NOT NULL,
    document   TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (policy_seq, version)
);

-- owner_kind is user, group or role.
CREATE TABLE iam_inline_policies (
    owner_kind TEXT COLLATE "C" NOT NULL,
    owner_seq  BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    document   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner_kind, owner_seq, name)
);

-- policy_arn is a policy of the account or of AWS.
CREATE TABLE iam_attachments (
    owner_kind TEXT COLLATE "C" NOT NULL,
    owner_seq  BIGINT NOT NULL,
    policy_arn TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner_kind, owner_seq, policy_arn)
);
CREATE INDEX iam_attachments_policy ON iam_attachments (account, policy_arn);

-- user_seq is empty for the root key. last_used_at is 0 for a key that was never
-- used.
ALTER TABLE access_keys ADD COLUMN user_seq BIGINT REFERENCES iam_users (seq);
ALTER TABLE access_keys ADD COLUMN status TEXT COLLATE "C" NOT NULL DEFAULT 'Active';
ALTER TABLE access_keys ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_keys ADD COLUMN last_used_service TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE access_keys ADD COLUMN last_used_region TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX access_keys_user ON access_keys (user_seq, id) WHERE user_seq IS NOT NULL;
