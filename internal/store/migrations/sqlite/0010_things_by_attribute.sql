-- +goose Up
-- Lists of things tell cases apart, and ask for the things of a type that have
-- an attribute: the type stands here once more.
ALTER TABLE thing_attributes ADD COLUMN thing_type TEXT NOT NULL DEFAULT '';
UPDATE thing_attributes SET thing_type = (SELECT t.thing_type FROM things t
        WHERE t.scope = thing_attributes.scope AND t.name = thing_attributes.thing)
    WHERE EXISTS (SELECT 1 FROM things t WHERE t.scope = thing_attributes.scope AND t.name = thing_attributes.thing
        AND t.thing_type <> '');
CREATE INDEX thing_attributes_value ON thing_attributes (scope, name, value, thing);
CREATE INDEX thing_attributes_type ON thing_attributes (scope, thing_type, name, value, thing) WHERE thing_type <> '';
