-- +goose Up
-- Policies are listed, and audited, in the order in which they were made.
CREATE INDEX policies_seq ON policies (scope, seq);
