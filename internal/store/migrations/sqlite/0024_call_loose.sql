-- +goose Up
-- The batches have a database of their own, which says how far it took the loose
-- lines: no number of theirs may come again.
ALTER TABLE call_loose RENAME TO call_loose_before;
CREATE TABLE call_loose (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    node  TEXT    NOT NULL,
    lines BLOB    NOT NULL
);
INSERT INTO call_loose (seq, node, lines) SELECT seq, node, lines FROM call_loose_before ORDER BY seq;
DROP TABLE call_loose_before;
