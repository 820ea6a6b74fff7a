-- +goose Up
-- Records of calls in batches, which are sealed. Once they were kept for long
-- enough body and marks are NULL, and the rest stays.
CREATE TABLE call_batches (
    seq      INTEGER PRIMARY KEY,
    chain    TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    lines    INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    previous BLOB    NOT NULL,
    names    TEXT    NOT NULL,
    digest   BLOB    NOT NULL,
    seal     BLOB    NOT NULL,
    body     BLOB,
    marks    BLOB,
    UNIQUE (chain, number)
);
CREATE INDEX call_batches_time ON call_batches (last_at, seq) WHERE body IS NOT NULL;

-- The last batch of each chain, and the last one that another chain names.
CREATE TABLE call_chains (
    chain  TEXT    NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    seal   BLOB    NOT NULL,
    named  INTEGER NOT NULL
);
CREATE INDEX call_chains_unnamed ON call_chains (chain) WHERE named < number;

-- The time before which lines were deleted, with a proof that they should be.
CREATE TABLE call_purge (
    before_at INTEGER NOT NULL,
    proof     BLOB    NOT NULL
);
INSERT INTO call_purge (before_at, proof) VALUES (0, '');

-- The loose lines of the other database that are in a batch: all up to this one.
CREATE TABLE call_taken (
    loose INTEGER NOT NULL
);
INSERT INTO call_taken (loose) VALUES (0);
