-- +goose Up
-- What is indexed. A scope without a row has indexed nothing.
CREATE TABLE indexing_configurations (
    scope        INTEGER NOT NULL PRIMARY KEY,
    things       TEXT    NOT NULL,
    connectivity TEXT    NOT NULL,
    groups       TEXT    NOT NULL
);

-- How things are connected since changed_at. A thing without a row never was;
-- reason is '' while it is connected.
CREATE TABLE thing_connectivity (
    scope      INTEGER NOT NULL,
    thing      TEXT    NOT NULL,
    connected  BOOLEAN NOT NULL,
    changed_at INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (scope, thing),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE
) WITHOUT ROWID;

-- number is the value of an attribute that is one, as fleetindex.Number reads it.
ALTER TABLE thing_attributes ADD COLUMN number REAL GENERATED ALWAYS AS (
    CASE WHEN folded NOT GLOB '--*' AND length(ltrim(folded, '-')) BETWEEN 1 AND 15
            AND ltrim(folded, '-') GLOB '[0-9]*' AND ltrim(folded, '-') GLOB '*[0-9]'
            AND ltrim(folded, '-') NOT GLOB '*[^0-9.]*' AND folded NOT GLOB '*.*.*'
        THEN CAST(folded AS REAL) END) VIRTUAL;
CREATE INDEX thing_attributes_number ON thing_attributes (scope, name, number, thing) WHERE number IS NOT NULL;

-- Searches do not tell cases apart.
CREATE INDEX things_folded ON things (scope, lower(name), name);
CREATE INDEX things_id ON things (scope, lower(id), name);
CREATE INDEX thing_types_folded ON thing_types (scope, lower(name), name);
CREATE INDEX thing_groups_folded ON thing_groups (scope, lower(name), name);
