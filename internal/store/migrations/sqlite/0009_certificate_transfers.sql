-- +goose Up
-- The transfers of certificates between accounts: those that wait for an
-- answer, and of each certificate the last that had one. n is also the number
-- that the certificate gets in its new scope.
CREATE TABLE certificate_transfers (
    n              INTEGER PRIMARY KEY,
    certificate    TEXT    NOT NULL,
    from_scope     INTEGER NOT NULL,
    to_account     TEXT    NOT NULL,
    region         TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    message        TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    transferred_at INTEGER NOT NULL,
    ended_at       INTEGER
);
CREATE INDEX certificate_transfers_from ON certificate_transfers (from_scope, certificate, n);
CREATE INDEX certificate_transfers_to ON certificate_transfers (to_account, region, certificate, n);
CREATE INDEX certificate_transfers_outgoing ON certificate_transfers (from_scope, n) WHERE state = 'PENDING';
CREATE INDEX certificate_transfers_incoming ON certificate_transfers (to_account, region, n) WHERE state = 'PENDING';
