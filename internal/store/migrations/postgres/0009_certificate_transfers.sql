-- +goose Up
-- The transfers of certificates between accounts: those that wait for an
-- answer, and of each certificate the last that had one. n is also the number
-- that the certificate gets in its new scope.
CREATE TABLE certificate_transfers (
    n              BIGINT PRIMARY KEY,
    certificate     TEXT COLLATE "C"  NOT NULL,
    from_scope     BIGINT NOT NULL,
    to_account      TEXT COLLATE "C"  NOT NULL,
    region          TEXT COLLATE "C"  NOT NULL,
    state           TEXT COLLATE "C"  NOT NULL,
    message         TEXT COLLATE "C"  NOT NULL,
    reason          TEXT COLLATE "C"  NOT NULL,
    transferred_at BIGINT NOT NULL,
    ended_at       BIGINT
);
CREATE INDEX certificate_transfers_from ON certificate_transfers (from_scope, certificate, n);
CREATE INDEX certificate_transfers_to ON certificate_transfers (to_account, region, certificate, n);
CREATE INDEX certificate_transfers_outgoing ON certificate_transfers (from_scope, n) WHERE state = 'PENDING';
CREATE INDEX certificate_transfers_incoming ON certificate_transfers (to_account, region, n) WHERE state = 'PENDING';
