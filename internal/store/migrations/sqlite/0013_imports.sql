-- +goose Up
-- An import is a file of devices in batches. Each batch that is here was stored
-- in the transaction that stored its devices.
CREATE TABLE imports (
    scope      INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE INDEX imports_created ON imports (created_at);

CREATE TABLE import_batches (
    scope     INTEGER NOT NULL,
    import    TEXT    NOT NULL,
    n         INTEGER NOT NULL,
    digest    TEXT    NOT NULL,
    accepted  INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    refusals  TEXT    NOT NULL,
    PRIMARY KEY (scope, import, n),
    FOREIGN KEY (scope, import) REFERENCES imports (scope, id) ON DELETE CASCADE
);
