-- +goose Up
-- deprecated_at is NULL for a type that new things may have.
CREATE TABLE thing_types (
    scope         BIGINT NOT NULL,
    name          TEXT COLLATE "C"    NOT NULL,
    id            TEXT COLLATE "C"    NOT NULL,
    description   TEXT COLLATE "C"    NOT NULL,
    searchable    TEXT COLLATE "C"    NOT NULL,
    mqtt5         TEXT COLLATE "C"    NOT NULL,
    created_at    BIGINT NOT NULL,
    deprecated_at BIGINT,
    PRIMARY KEY (scope, name)
);

ALTER TABLE things ADD COLUMN thing_type TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX things_type ON things (scope, thing_type, name) WHERE thing_type <> '';

-- The attributes of things once more, for those who look for things by them.
-- folded is the value in lower case: searches do not tell cases apart.
CREATE TABLE thing_attributes (
    scope  BIGINT NOT NULL,
    thing  TEXT COLLATE "C"    NOT NULL,
    name   TEXT COLLATE "C"    NOT NULL,
    value  TEXT COLLATE "C"    NOT NULL,
    folded TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (scope, thing, name),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE
);
INSERT INTO thing_attributes (scope, thing, name, value, folded)
    SELECT t.scope, t.name, a.key, a.value, lower(a.value) FROM things t, jsonb_each_text(t.attributes::jsonb) a;
CREATE INDEX thing_attributes_folded ON thing_attributes (scope, name, folded, thing);
