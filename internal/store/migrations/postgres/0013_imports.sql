-- +goose Up
-- An import is a file of devices in batches. Each batch that is here was stored
-- in the transaction that stored its devices.
CREATE TABLE imports (
    scope      BIGINT NOT NULL,
    id          TEXT COLLATE "C"  NOT NULL,
    source      TEXT COLLATE "C"  NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE INDEX imports_created ON imports (created_at);

CREATE TABLE import_batches (
    scope     BIGINT NOT NULL,
    import     TEXT COLLATE "C"  NOT NULL,
    n         BIGINT NOT NULL,
    digest     TEXT COLLATE "C"  NOT NULL,
    accepted  BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    refusals   TEXT COLLATE "C"  NOT NULL,
    PRIMARY KEY (scope, import, n),
    FOREIGN KEY (scope, import) REFERENCES imports (scope, id) ON DELETE CASCADE
);
