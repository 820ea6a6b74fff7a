-- +goose Up
-- Connections that were seen. until_at is NULL while it is connected. What is to
-- be judged is so from due_at on, and judged once it has ended and was. It is
-- evidence that its certificate is shared up to shared_at, and that its client
-- id is fought for up to conflict_at; 0 is none.
CREATE TABLE connections (
    scope        INTEGER NOT NULL,
    session      TEXT    NOT NULL,
    node         TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    certificate  TEXT    NOT NULL,
    thing        TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    from_at      INTEGER NOT NULL,
    until_at     INTEGER,
    reason       TEXT    NOT NULL,
    displaced_by TEXT    NOT NULL,
    due_at       INTEGER,
    judged       BOOLEAN NOT NULL DEFAULT FALSE,
    shared_at    INTEGER NOT NULL DEFAULT 0,
    conflict_at  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, session)
);
CREATE INDEX connections_due ON connections (due_at, session) WHERE due_at IS NOT NULL;
CREATE INDEX connections_node ON connections (node, scope, session) WHERE until_at IS NULL;
CREATE INDEX connections_thing ON connections (scope, thing, from_at) WHERE until_at IS NULL;
CREATE INDEX connections_open ON connections (scope, certificate, from_at, session, client_id) WHERE until_at IS NULL;
CREATE INDEX connections_unjudged ON connections (scope, certificate, from_at, until_at, client_id) WHERE NOT judged;
CREATE INDEX connections_long ON connections (scope, certificate, until_at)
    WHERE shared_at > 0 AND until_at - from_at > 5000;
CREATE INDEX connections_shared ON connections (scope, certificate, from_at, session) WHERE shared_at > 0;
CREATE INDEX connections_conflict ON connections (scope, client_id, from_at, session) WHERE conflict_at > 0;
CREATE INDEX connections_displaced ON connections (scope, displaced_by, until_at) WHERE displaced_by <> '';
CREATE INDEX connections_plain ON connections (scope, certificate, until_at, session)
    WHERE judged AND shared_at = 0 AND conflict_at = 0 AND displaced_by = '';
CREATE INDEX connections_ended ON connections (until_at, scope, session) WHERE judged;

-- The newest connection of each client id.
CREATE TABLE connected_clients (
    scope       INTEGER NOT NULL,
    client_id   TEXT    NOT NULL,
    session     TEXT    NOT NULL,
    from_at     INTEGER NOT NULL,
    until_at    INTEGER,
    conflict_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, client_id)
) WITHOUT ROWID;
CREATE INDEX connected_clients_ended ON connected_clients (until_at, scope, client_id) WHERE until_at IS NOT NULL;

-- Certificates that were seen to be shared, by the number that they had: live
-- while they are, up to shared_at otherwise.
CREATE TABLE shared_certificates (
    scope       INTEGER NOT NULL,
    certificate TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    live        BOOLEAN NOT NULL,
    shared_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, certificate)
);
CREATE INDEX shared_certificates_seq ON shared_certificates (scope, seq);
CREATE INDEX shared_certificates_ended ON shared_certificates (shared_at, scope, certificate) WHERE NOT live;

-- Who judges locks the row.
CREATE TABLE connection_judge (
    steps INTEGER NOT NULL
);
INSERT INTO connection_judge (steps) VALUES (0);

-- The nodes that have connections, alive at beat_at by the clock of the database
-- and at alive_at by their own.
CREATE TABLE gateway_nodes (
    node     TEXT    NOT NULL PRIMARY KEY,
    beat_at  INTEGER NOT NULL,
    alive_at INTEGER NOT NULL
);
