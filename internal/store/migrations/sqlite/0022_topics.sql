-- +goose Up
-- Topics. policy is '' for the one that every topic begins with; attributes are
-- JSON. ended is how many subscriptions have ended.
CREATE TABLE topics (
    seq        INTEGER PRIMARY KEY,
    scope      INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    policy     TEXT    NOT NULL,
    attributes TEXT    NOT NULL,
    ended      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (scope, name)
);

-- Who hears of the messages of a topic. The state is PENDING until the endpoint
-- has confirmed. Only a signed call ends a guarded one. settings are JSON.
CREATE TABLE topic_subscriptions (
    seq        INTEGER PRIMARY KEY,
    scope      INTEGER NOT NULL,
    topic      INTEGER NOT NULL REFERENCES topics (seq),
    id         TEXT    NOT NULL UNIQUE,
    protocol   TEXT    NOT NULL,
    endpoint   TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    guarded    BOOLEAN NOT NULL,
    settings   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (topic, protocol, endpoint)
);
CREATE INDEX topic_subscriptions_topic ON topic_subscriptions (topic, seq);
CREATE INDEX topic_subscriptions_scope ON topic_subscriptions (scope, seq);
CREATE INDEX topic_subscriptions_pending ON topic_subscriptions (created_at, seq) WHERE state = 'PENDING';

-- What confirms a subscription. hash is the SHA-256 of a token, which is kept
-- nowhere.
CREATE TABLE topic_tokens (
    hash         TEXT    NOT NULL PRIMARY KEY,
    subscription INTEGER NOT NULL REFERENCES topic_subscriptions (seq) ON DELETE CASCADE,
    expires_at   INTEGER NOT NULL
);
CREATE INDEX topic_tokens_subscription ON topic_tokens (subscription, expires_at);

-- Messages for topics. The id says what a message is about, so that there is
-- one of each. A message is PENDING until it has its deliveries.
CREATE TABLE topic_messages (
    seq        INTEGER PRIMARY KEY,
    scope      INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    topic_arn  TEXT    NOT NULL,
    role_arn   TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    structure  TEXT    NOT NULL,
    attributes TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX topic_messages_pending ON topic_messages (seq) WHERE state = 'PENDING';
CREATE INDEX topic_messages_created ON topic_messages (created_at, seq);

-- When a topic may send its next message.
CREATE TABLE topic_rates (
    topic_arn TEXT    NOT NULL PRIMARY KEY,
    free_at   INTEGER NOT NULL
);

-- One message on its way to one subscription, 0 for a service that all are
-- forwarded to. A request to confirm has message 0. next_at is when it is tried
-- next; whoever tries it moves that on, so that others take over if he dies.
CREATE TABLE topic_deliveries (
    seq          INTEGER PRIMARY KEY,
    scope        INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    message      INTEGER NOT NULL,
    subscription INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    attempt      INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    first_at     INTEGER,
    ended_at     INTEGER,
    error        TEXT    NOT NULL,
    created_at   INTEGER NOT NULL
);
CREATE INDEX topic_deliveries_waiting ON topic_deliveries (subscription, next_at, seq) WHERE state = 'WAITING';
CREATE INDEX topic_deliveries_due ON topic_deliveries (next_at) WHERE state = 'WAITING';
CREATE INDEX topic_deliveries_dead ON topic_deliveries (scope, seq) WHERE state = 'DEAD';
CREATE INDEX topic_deliveries_created ON topic_deliveries (created_at, seq);

INSERT INTO topic_messages (seq, scope, id, topic_arn, role_arn, subject, structure, attributes, body, state, reason,
    created_at)
SELECT seq, scope, id, topic_arn, role_arn, '', '', '{}', payload, state, '', created_at FROM outgoing_messages;
DROP TABLE outgoing_messages;
