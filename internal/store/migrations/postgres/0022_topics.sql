-- +goose Up
-- Topics. policy is '' for the one that every topic begins with; attributes are
-- JSON. ended is how many subscriptions have ended.
CREATE TABLE topics (
    seq        BIGINT PRIMARY KEY,
    scope      BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    policy     TEXT COLLATE "C" NOT NULL,
    attributes TEXT COLLATE "C" NOT NULL,
    ended      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (scope, name)
);

-- Who hears of the messages of a topic. The state is PENDING until the endpoint
-- has confirmed. Only a signed call ends a guarded one. settings are JSON.
CREATE TABLE topic_subscriptions (
    seq        BIGINT PRIMARY KEY,
    scope      BIGINT NOT NULL,
    topic      BIGINT NOT NULL REFERENCES topics (seq),
    id         TEXT COLLATE "C" NOT NULL UNIQUE,
    protocol   TEXT COLLATE "C" NOT NULL,
    endpoint   TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    guarded    BOOLEAN NOT NULL,
    settings   TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (topic, protocol, endpoint)
);
CREATE INDEX topic_subscriptions_topic ON topic_subscriptions (topic, seq);
CREATE INDEX topic_subscriptions_scope ON topic_subscriptions (scope, seq);
CREATE INDEX topic_subscriptions_pending ON topic_subscriptions (created_at, seq) WHERE state = 'PENDING';

-- What confirms a subscription. hash is the SHA-256 of a token, which is kept
-- nowhere.
CREATE TABLE topic_tokens (
    hash         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subscription BIGINT NOT NULL REFERENCES topic_subscriptions (seq) ON DELETE CASCADE,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX topic_tokens_subscription ON topic_tokens (subscription, expires_at);

-- Messages for topics. The id says what a message is about, so that there is
-- one of each. A message is PENDING until it has its deliveries.
CREATE TABLE topic_messages (
    seq        BIGINT PRIMARY KEY,
    scope      BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    topic_arn  TEXT COLLATE "C" NOT NULL,
    role_arn   TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    structure  TEXT COLLATE "C" NOT NULL,
    attributes TEXT COLLATE "C" NOT NULL,
    body       TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX topic_messages_pending ON topic_messages (seq) WHERE state = 'PENDING';
CREATE INDEX topic_messages_created ON topic_messages (created_at, seq);

-- When a topic may send its next message.
CREATE TABLE topic_rates (
    topic_arn TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    free_at   BIGINT NOT NULL
);

-- One message on its way to one subscription, 0 for a service that all are
-- forwarded to. A request to confirm has message 0. next_at is when it is tried
-- next; whoever tries it moves that on, so that others take over if he dies.
CREATE TABLE topic_deliveries (
    seq          BIGINT PRIMARY KEY,
    scope        BIGINT NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    message      BIGINT NOT NULL,
    subscription BIGINT NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    attempt      BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    first_at     BIGINT,
    ended_at     BIGINT,
    error        TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL
);
CREATE INDEX topic_deliveries_waiting ON topic_deliveries (subscription, next_at, seq) WHERE state = 'WAITING';
CREATE INDEX topic_deliveries_due ON topic_deliveries (next_at) WHERE state = 'WAITING';
CREATE INDEX topic_deliveries_dead ON topic_deliveries (scope, seq) WHERE state = 'DEAD';
CREATE INDEX topic_deliveries_created ON topic_deliveries (created_at, seq);

INSERT INTO topic_messages (seq, scope, id, topic_arn, role_arn, subject, structure, attributes, body, state, reason,
    created_at)
SELECT seq, scope, id, topic_arn, role_arn, '', '', '{}', payload, state, '', created_at FROM outgoing_messages;
DROP TABLE outgoing_messages;
