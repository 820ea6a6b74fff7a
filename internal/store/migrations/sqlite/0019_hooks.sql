-- +goose Up
-- What brokers show when they ask for the rights of devices of a scope. hash is
-- the SHA-256 of a token, which is kept nowhere.
CREATE TABLE hook_tokens (
    hash       TEXT    NOT NULL PRIMARY KEY,
    scope      INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (scope, id)
);

-- What brokers call the holder of a certificate, behind a "=": of certificates
-- that have no such name this alone. Empty is what was not read yet.
ALTER TABLE certificate_pems ADD COLUMN common_name TEXT    NOT NULL DEFAULT '';
CREATE INDEX certificate_pems_name ON certificate_pems (common_name, seq) WHERE common_name > '=';
CREATE INDEX certificate_pems_unnamed ON certificate_pems (seq) WHERE common_name = '';
