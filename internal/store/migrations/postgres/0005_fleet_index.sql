-- +goose Up
-- What is indexed. A scope without a row has indexed nothing.
CREATE TABLE indexing_configurations (
    scope        BIGINT NOT NULL PRIMARY KEY,
    things       TEXT COLLATE "C" NOT NULL,
    connectivity TEXT COLLATE "C" NOT NULL,
    groups       TEXT COLLATE "C" NOT NULL
);

-- How things are connected since changed_at. A thing without a row never was;
-- reason is '' while it is connected.
CREATE TABLE thing_connectivity (
    scope      BIGINT NOT NULL,
    thing      TEXT COLLATE "C" NOT NULL,
    connected  BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, thing),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE
) WITH (fillfactor = 85);

-- number is the value of an attribute that is one, as fleetindex.Number reads it.
ALTER TABLE thing_attributes ADD COLUMN number DOUBLE PRECISION GENERATED ALWAYS AS (
    CASE WHEN folded ~ '^-?(?=.{1,15}$)[0-9]+(\.[0-9]+)?$' THEN CAST(folded AS DOUBLE PRECISION) END) STORED;
CREATE INDEX thing_attributes_number ON thing_attributes (scope, name, number, thing) WHERE number IS NOT NULL;

-- Searches do not tell cases apart.
CREATE INDEX things_folded ON things (scope, lower(name), name);
CREATE INDEX things_id ON things (scope, lower(id), name);
CREATE INDEX thing_types_folded ON thing_types (scope, lower(name), name);
CREATE INDEX thing_groups_folded ON thing_groups (scope, lower(name), name);
