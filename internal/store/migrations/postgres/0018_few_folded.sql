-- +goose Up
-- What is in lower case already is found by its name or value as it is: only
-- the rest needs to be found by what it is in lower case.
DROP INDEX things_folded;
CREATE INDEX things_folded ON things (scope, lower(name), name) WHERE lower(name) <> name;
DROP INDEX thing_attributes_folded;
CREATE INDEX thing_attributes_folded ON thing_attributes (scope, name, folded, thing) WHERE folded <> value;
