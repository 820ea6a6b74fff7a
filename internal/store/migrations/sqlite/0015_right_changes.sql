-- +goose Up
-- What was changed that may take rights from devices, as gateways follow it. An
-- entry is written in the transaction of the change, behind it: seq is in the
-- order of commits, for there is one writer. names are a list in JSON; region is
-- '' where the account as a whole is meant.
CREATE TABLE right_changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT    NOT NULL,
    region  TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    names   TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    at      INTEGER NOT NULL
);

-- Of old entries those up to purged are gone, and those up to mark, which was
-- set at marked_at, go next.
CREATE TABLE right_feed (
    purged    INTEGER NOT NULL,
    mark      INTEGER NOT NULL,
    marked_at INTEGER NOT NULL
);
INSERT INTO right_feed (purged, mark, marked_at) VALUES (0, 0, 0);
