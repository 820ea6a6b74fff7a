-- +goose Up
-- What brokers show when they ask for the rights of devices of a scope. hash is
-- the SHA-256 of a token, which is kept nowhere.
CREATE TABLE hook_tokens (
    hash       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    scope      BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (scope, id)
);

-- What brokers call the holder of a certificate, behind a "=": of certificates
-- that have no such name this alone. Empty is what was not read yet.
ALTER TABLE certificate_pems ADD COLUMN common_name TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX certificate_pems_name ON certificate_pems (common_name, seq) WHERE common_name > '=';
CREATE INDEX certificate_pems_unnamed ON certificate_pems (seq) WHERE common_name = '';
