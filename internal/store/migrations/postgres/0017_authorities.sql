-- +goose Up
-- The CAs of accounts that Cordon made and signs with, whose keys are secrets.
-- list_number is that of the last revocation list that was signed.
CREATE TABLE authorities (
    ca          BIGINT PRIMARY KEY,
    id          TEXT COLLATE "C"   NOT NULL UNIQUE,
    account     TEXT COLLATE "C"   NOT NULL,
    list_number BIGINT NOT NULL
);

-- By which hashes of its public key OCSP names a CA.
CREATE TABLE authority_keys (
    hash TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    ca   BIGINT NOT NULL REFERENCES authorities (ca)
);

-- Certificates of such CAs that were deleted: nobody may take them for good
-- again.
CREATE TABLE ended_certificates (
    ca        BIGINT NOT NULL,
    serial    TEXT COLLATE "C"   NOT NULL,
    id        TEXT COLLATE "C"   NOT NULL,
    status    TEXT COLLATE "C"   NOT NULL,
    ended_at  BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    PRIMARY KEY (ca, serial)
);
CREATE INDEX ended_certificates_id ON ended_certificates (id, ca);

-- issued_by is the CA of these that signed a certificate, 0 for any other, -1
-- for what was not looked at yet. Another account may have registered the same
-- certificate: there it is 0.
ALTER TABLE certificates ADD COLUMN issued_by BIGINT NOT NULL DEFAULT -1;
CREATE UNIQUE INDEX certificates_issued ON certificates (issued_by, serial) WHERE issued_by > 0;
CREATE INDEX certificates_unissued ON certificates (seq) WHERE issued_by = -1;
