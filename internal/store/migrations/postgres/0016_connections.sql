-- +goose Up
-- Connections that were seen. until_at is NULL while it is connected. What is to
-- be judged is so from due_at on, and judged once it has ended and was. It is
-- evidence that its certificate is shared up to shared_at, and that its client
-- id is fought for up to conflict_at; 0 is none.
CREATE TABLE connections (
    scope        BIGINT NOT NULL,
    session      TEXT COLLATE "C" NOT NULL,
    node         TEXT COLLATE "C" NOT NULL,
    client_id    TEXT COLLATE "C" NOT NULL,
    certificate  TEXT COLLATE "C" NOT NULL,
    thing        TEXT COLLATE "C" NOT NULL,
    address      TEXT COLLATE "C" NOT NULL,
    from_at      BIGINT NOT NULL,
    until_at     BIGINT,
    reason       TEXT COLLATE "C" NOT NULL,
    displaced_by TEXT COLLATE "C" NOT NULL,
    due_at       BIGINT,
    judged       BOOLEAN NOT NULL DEFAULT FALSE,
    shared_at    BIGINT NOT NULL DEFAULT 0,
    conflict_at  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, session)
) WITH (fillfactor = 85);
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
    scope       BIGINT NOT NULL,
    client_id   TEXT COLLATE "C" NOT NULL,
    session     TEXT COLLATE "C" NOT NULL,
    from_at     BIGINT NOT NULL,
    until_at    BIGINT,
    conflict_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, client_id)
) WITH (fillfactor = 85);
CREATE INDEX connected_clients_ended ON connected_clients (until_at, scope, client_id) WHERE until_at IS NOT NULL;

-- Certificates that were seen to be shared, by the number that they had: live
-- while they are, up to shared_at otherwise.
CREATE TABLE shared_certificates (
    scope       BIGINT NOT NULL,
    certificate TEXT COLLATE "C" NOT NULL,
    seq         BIGINT NOT NULL,
    live        BOOLEAN NOT NULL,
    shared_at   BIGINT NOT NULL,
    PRIMARY KEY (scope, certificate)
);
CREATE INDEX shared_certificates_seq ON shared_certificates (scope, seq);
CREATE INDEX shared_certificates_ended ON shared_certificates (shared_at, scope, certificate) WHERE NOT live;

-- Who judges locks the row.
CREATE TABLE connection_judge (
    steps BIGINT NOT NULL
);
INSERT INTO connection_judge (steps) VALUES (0);

-- The nodes that have connections, alive at beat_at by the clock of the database
-- and at alive_at by their own.
CREATE TABLE gateway_nodes (
    node     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    beat_at  BIGINT NOT NULL,
    alive_at BIGINT NOT NULL
);
