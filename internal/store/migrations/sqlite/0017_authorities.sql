-- +goose Up
-- The CAs of accounts that Cordon made and signs with, whose keys are secrets.
-- list_number is that of the last revocation list that was signed.
CREATE TABLE authorities (
    ca          INTEGER PRIMARY KEY,
    id          TEXT   NOT NULL UNIQUE,
    account     TEXT   NOT NULL,
    list_number INTEGER NOT NULL
);

-- By which hashes of its public key OCSP names a CA.
CREATE TABLE authority_keys (
    hash TEXT   NOT NULL PRIMARY KEY,
    ca   INTEGER NOT NULL REFERENCES authorities (ca)
) WITHOUT ROWID;

-- Certificates of such CAs that were deleted: nobody may take them for good
-- again.
CREATE TABLE ended_certificates (
    ca        INTEGER NOT NULL,
    serial    TEXT   NOT NULL,
    id        TEXT   NOT NULL,
    status    TEXT   NOT NULL,
    ended_at  INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    PRIMARY KEY (ca, serial)
) WITHOUT ROWID;
CREATE INDEX ended_certificates_id ON ended_certificates (id, ca);

-- issued_by is the CA of these that signed a certificate, 0 for any other, -1
-- for what was not looked at yet. Another account may have registered the same
-- certificate: there it is 0.
ALTER TABLE certificates ADD COLUMN issued_by INTEGER NOT NULL DEFAULT -1;
CREATE UNIQUE INDEX certificates_issued ON certificates (issued_by, serial) WHERE issued_by > 0;
CREATE INDEX certificates_unissued ON certificates (seq) WHERE issued_by = -1;
