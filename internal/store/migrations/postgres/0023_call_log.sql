-- +goose Up
-- Records of calls as they were written in the transactions of their changes.
-- They are here until they are in a batch, for a moment.
CREATE TABLE call_loose (
    seq   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node  TEXT COLLATE "C" NOT NULL,
    lines BYTEA NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Records in batches, which are sealed. Once they were kept for long enough body
-- and marks are NULL, and the rest stays.
CREATE TABLE call_batches (
    seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain    TEXT COLLATE "C" NOT NULL,
    number   BIGINT NOT NULL,
    lines    BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    previous BYTEA  NOT NULL,
    names    TEXT   NOT NULL,
    digest   BYTEA  NOT NULL,
    seal     BYTEA  NOT NULL,
    body     BYTEA,
    marks    BYTEA,
    UNIQUE (chain, number)
);
ALTER TABLE call_batches ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE call_batches ALTER COLUMN marks SET STORAGE EXTERNAL;
CREATE INDEX call_batches_time ON call_batches (last_at, seq) WHERE body IS NOT NULL;

-- The last batch of each chain, and the last one that another chain names.
CREATE TABLE call_chains (
    chain  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    seal   BYTEA  NOT NULL,
    named  BIGINT NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX call_chains_unnamed ON call_chains (chain) WHERE named < number;

-- The time before which lines were deleted, with a proof that they should be.
CREATE TABLE call_purge (
    before_at BIGINT NOT NULL,
    proof     BYTEA  NOT NULL
);
INSERT INTO call_purge (before_at, proof) VALUES (0, '');
