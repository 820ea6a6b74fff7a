-- +goose Up
-- deprecated_at is NULL for a type that new things may have.
CREATE TABLE thing_types (
    scope         INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    searchable    TEXT    NOT NULL,
    mqtt5         TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    deprecated_at INTEGER,
    PRIMARY KEY (scope, name)
);

ALTER TABLE things ADD COLUMN thing_type TEXT NOT NULL DEFAULT '';
CREATE INDEX things_type ON things (scope, thing_type, name) WHERE thing_type <> '';

-- The attributes of things once more, for those who look for things by them.
-- folded is the value in lower case: searches do not tell cases apart.
CREATE TABLE thing_attributes (
    scope  INTEGER NOT NULL,
    thing  TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    value  TEXT    NOT NULL,
    folded TEXT    NOT NULL,
    PRIMARY KEY (scope, thing, name),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE
) WITHOUT ROWID;
INSERT INTO thing_attributes (scope, thing, name, value, folded)
    SELECT t.scope, t.name, a.key, a.value, lower(a.value) FROM things t, json_each(t.attributes) a;
CREATE INDEX thing_attributes_folded ON thing_attributes (scope, name, folded, thing);
