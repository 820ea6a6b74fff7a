-- +goose Up
-- What certificates have in common of which revocation depends: who signed them
-- and where that one publishes what it revoked. One row for all that agree in
-- it. state and reason are what was found at checked_at,
-- chain why the CAs above are not known.
CREATE TABLE crl_sources (
    source      BIGINT PRIMARY KEY,
    scope       BIGINT NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL,
    issuer      TEXT COLLATE "C" NOT NULL,
    issuer_name TEXT COLLATE "C" NOT NULL,
    key_id      TEXT COLLATE "C" NOT NULL,
    ca          BOOLEAN NOT NULL,
    self        BOOLEAN NOT NULL,
    points      TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    chain       TEXT COLLATE "C" NOT NULL,
    checked_at  BIGINT NOT NULL,
    UNIQUE (scope, digest)
);
CREATE INDEX crl_sources_checked ON crl_sources (scope, checked_at, source);

-- The certificates of issuers that are known, registered as CAs or not.
CREATE TABLE issuers (
    seq            BIGINT PRIMARY KEY,
    scope          BIGINT NOT NULL,
    id             TEXT COLLATE "C" NOT NULL,
    subject        TEXT COLLATE "C" NOT NULL,
    name           TEXT COLLATE "C" NOT NULL,
    subject_key_id TEXT COLLATE "C" NOT NULL,
    key            TEXT COLLATE "C" NOT NULL,
    serial         TEXT COLLATE "C" NOT NULL,
    source         BIGINT NOT NULL,
    root           BOOLEAN NOT NULL,
    pem            TEXT COLLATE "C" NOT NULL,
    created_at     BIGINT NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX issuers_subject ON issuers (scope, subject, seq);

-- A revocation list of an issuer, had from a URL or, where that is empty,
-- imported. Its entries are those of the load that is live; 0 is none.
CREATE TABLE crls (
    list        BIGINT PRIMARY KEY,
    scope       BIGINT NOT NULL,
    issuer_key  TEXT COLLATE "C" NOT NULL,
    url         TEXT COLLATE "C" NOT NULL,
    issuer_name TEXT COLLATE "C" NOT NULL,
    number      TEXT COLLATE "C" NOT NULL,
    this_update BIGINT NOT NULL,
    next_update BIGINT NOT NULL,
    entries     BIGINT NOT NULL,
    covers      TEXT COLLATE "C" NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL,
    live        BIGINT NOT NULL,
    stored_at   BIGINT NOT NULL,
    UNIQUE (scope, issuer_key, url)
);

-- The lists that decide about the certificates of a source, and the
-- intermediate CAs above it.
CREATE TABLE crl_source_lists (
    source BIGINT NOT NULL REFERENCES crl_sources (source) ON DELETE CASCADE,
    list   BIGINT NOT NULL REFERENCES crls (list) ON DELETE CASCADE,
    PRIMARY KEY (source, list)
);
CREATE INDEX crl_source_lists_list ON crl_source_lists (list, source);
CREATE TABLE crl_source_issuers (
    source BIGINT NOT NULL REFERENCES crl_sources (source) ON DELETE CASCADE,
    issuer BIGINT NOT NULL REFERENCES issuers (seq) ON DELETE CASCADE,
    PRIMARY KEY (source, issuer)
);
CREATE INDEX crl_source_issuers_issuer ON crl_source_issuers (issuer, source);

-- Entries are written a part at a time, under the number of a load that nobody
-- looks at before it is live. What is dead, or was left, is swept.
CREATE TABLE crl_loads (
    load    BIGINT PRIMARY KEY,
    scope   BIGINT NOT NULL,
    state   TEXT COLLATE "C" NOT NULL,
    beat_at BIGINT NOT NULL
);
CREATE INDEX crl_loads_swept ON crl_loads (beat_at, load) WHERE state <> 'LIVE';
CREATE TABLE revoked_serials (
    load       BIGINT NOT NULL,
    serial     TEXT COLLATE "C" NOT NULL,
    reason     BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (load, serial)
);

-- Lists that are being imported, in parts.
CREATE TABLE crl_uploads (
    upload     BIGINT PRIMARY KEY,
    scope      BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    beat_at    BIGINT NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX crl_uploads_swept ON crl_uploads (beat_at, upload);
CREATE TABLE crl_upload_parts (
    upload BIGINT NOT NULL,
    n      BIGINT NOT NULL,
    size   BIGINT NOT NULL,
    data   BYTEA NOT NULL,
    PRIMARY KEY (upload, n)
);

-- The intermediate CAs that an audit has met, with the finding of each (0 for
-- one without) and how many related resources that has.
CREATE TABLE audit_issuers (
    audit   BIGINT NOT NULL,
    issuer  BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    related BIGINT NOT NULL,
    PRIMARY KEY (audit, issuer)
);

ALTER TABLE finding_resources ADD COLUMN resource_seq BIGINT NOT NULL DEFAULT 0;

-- source is 0 for what was not read yet for this, -1 for what cannot be read.
ALTER TABLE certificates ADD COLUMN serial TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN source BIGINT NOT NULL DEFAULT 0;
CREATE INDEX certificates_unread ON certificates (seq) WHERE source = 0;
ALTER TABLE ca_certificates ADD COLUMN serial TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE ca_certificates ADD COLUMN source BIGINT NOT NULL DEFAULT 0;
CREATE INDEX ca_certificates_unread ON ca_certificates (seq) WHERE source = 0;
