-- +goose Up
-- What lists are read by.
CREATE INDEX ca_certificates_seq ON ca_certificates (scope, seq);
CREATE INDEX audits_type ON audits (scope, type, started_at, seq);
CREATE INDEX audits_status ON audits (scope, status, started_at, seq);
CREATE INDEX audits_type_status ON audits (scope, type, status, started_at, seq);
CREATE INDEX mitigation_tasks_status ON mitigation_tasks (scope, status, started_at, seq);
CREATE INDEX mitigation_targets_task ON mitigation_targets (audit, task, n);
CREATE INDEX mitigation_actions_type ON mitigation_actions (scope, type, name);
CREATE INDEX thing_principals_exclusive ON thing_principals (scope, thing, certificate) WHERE exclusive;
CREATE INDEX thing_principals_owner ON thing_principals (scope, certificate, thing) WHERE exclusive;
CREATE INDEX crls_list ON crls (scope, list);
