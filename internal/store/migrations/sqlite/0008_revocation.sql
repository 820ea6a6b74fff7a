-- +goose Up
-- What certificates have in common of which revocation depends: who signed them
-- and where that one publishes what it revoked. One row for all that agree in
-- it. state and reason are what was found at checked_at,
-- chain why the CAs above are not known.
CREATE TABLE crl_sources (
    source      INTEGER PRIMARY KEY,
    scope       INTEGER NOT NULL,
    digest      TEXT    NOT NULL,
    issuer      TEXT    NOT NULL,
    issuer_name TEXT    NOT NULL,
    key_id      TEXT    NOT NULL,
    ca          BOOLEAN NOT NULL,
    self        BOOLEAN NOT NULL,
    points      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    chain       TEXT    NOT NULL,
    checked_at  INTEGER NOT NULL,
    UNIQUE (scope, digest)
);
CREATE INDEX crl_sources_checked ON crl_sources (scope, checked_at, source);

-- The certificates of issuers that are known, registered as CAs or not.
CREATE TABLE issuers (
    seq            INTEGER PRIMARY KEY,
    scope          INTEGER NOT NULL,
    id             TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    subject_key_id TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    serial         TEXT    NOT NULL,
    source         INTEGER NOT NULL,
    root           BOOLEAN NOT NULL,
    pem            TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX issuers_subject ON issuers (scope, subject, seq);

-- A revocation list of an issuer, had from a URL or, where that is empty,
-- imported. Its entries are those of the load that is live; 0 is none.
CREATE TABLE crls (
    list        INTEGER PRIMARY KEY,
    scope       INTEGER NOT NULL,
    issuer_key  TEXT    NOT NULL,
    url         TEXT    NOT NULL,
    issuer_name TEXT    NOT NULL,
    number      TEXT    NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    covers      TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    live        INTEGER NOT NULL,
    stored_at   INTEGER NOT NULL,
    UNIQUE (scope, issuer_key, url)
);

-- The lists that decide about the certificates of a source, and the
-- intermediate CAs above it.
CREATE TABLE crl_source_lists (
    source INTEGER NOT NULL REFERENCES crl_sources (source) ON DELETE CASCADE,
    list   INTEGER NOT NULL REFERENCES crls (list) ON DELETE CASCADE,
    PRIMARY KEY (source, list)
) WITHOUT ROWID;
CREATE INDEX crl_source_lists_list ON crl_source_lists (list, source);
CREATE TABLE crl_source_issuers (
    source INTEGER NOT NULL REFERENCES crl_sources (source) ON DELETE CASCADE,
    issuer INTEGER NOT NULL REFERENCES issuers (seq) ON DELETE CASCADE,
    PRIMARY KEY (source, issuer)
) WITHOUT ROWID;
CREATE INDEX crl_source_issuers_issuer ON crl_source_issuers (issuer, source);

-- Entries are written a part at a time, under the number of a load that nobody
-- looks at before it is live. What is dead, or was left, is swept.
CREATE TABLE crl_loads (
    load    INTEGER PRIMARY KEY,
    scope   INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    beat_at INTEGER NOT NULL
);
CREATE INDEX crl_loads_swept ON crl_loads (beat_at, load) WHERE state <> 'LIVE';
CREATE TABLE revoked_serials (
    load       INTEGER NOT NULL,
    serial     TEXT    NOT NULL,
    reason     INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL,
    PRIMARY KEY (load, serial)
) WITHOUT ROWID;

-- Lists that are being imported, in parts.
CREATE TABLE crl_uploads (
    upload     INTEGER PRIMARY KEY,
    scope      INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    beat_at    INTEGER NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX crl_uploads_swept ON crl_uploads (beat_at, upload);
CREATE TABLE crl_upload_parts (
    upload INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    data   BLOB    NOT NULL,
    PRIMARY KEY (upload, n)
);

-- The intermediate CAs that an audit has met, with the finding of each (0 for
-- one without) and how many related resources that has.
CREATE TABLE audit_issuers (
    audit   INTEGER NOT NULL,
    issuer  INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    related INTEGER NOT NULL,
    PRIMARY KEY (audit, issuer)
) WITHOUT ROWID;

ALTER TABLE finding_resources ADD COLUMN resource_seq INTEGER NOT NULL DEFAULT 0;

-- source is 0 for what was not read yet for this, -1 for what cannot be read.
ALTER TABLE certificates ADD COLUMN serial TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
CREATE INDEX certificates_unread ON certificates (seq) WHERE source = 0;
ALTER TABLE ca_certificates ADD COLUMN serial TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_certificates ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ca_certificates_unread ON ca_certificates (seq) WHERE source = 0;
