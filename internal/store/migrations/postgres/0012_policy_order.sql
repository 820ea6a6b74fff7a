-- +goose Up
-- Policies are listed, and audited, in the order in which they were made.
CREATE INDEX policies_seq ON policies (scope, seq);

-- The rules by which the stored documents were analysed.
CREATE TABLE policy_analysis (version BIGINT NOT NULL);
INSERT INTO policy_analysis (version) VALUES (1);
