-- +goose Up
-- A group has a number that no other ever gets. path is the numbers of its
-- ancestors from the root down and its own, sixteen hexadecimal digits each, so
-- that a group and all below it are one range. query is '' for a static group.
ALTER TABLE thing_groups ADD COLUMN seq           INTEGER NOT NULL DEFAULT 0;
ALTER TABLE thing_groups ADD COLUMN path          TEXT    NOT NULL DEFAULT '';
ALTER TABLE thing_groups ADD COLUMN query         TEXT    NOT NULL DEFAULT '';
ALTER TABLE thing_groups ADD COLUMN query_version TEXT    NOT NULL DEFAULT '';
ALTER TABLE thing_groups ADD COLUMN status        TEXT    NOT NULL DEFAULT '';
ALTER TABLE thing_groups DROP COLUMN root;
ALTER TABLE thing_groups ADD COLUMN root          INTEGER NOT NULL DEFAULT 0;

UPDATE thing_groups SET seq = (SELECT value FROM numbers) + n.n
    FROM (SELECT rowid AS id, row_number() OVER (ORDER BY created_at, rowid) AS n FROM thing_groups) n
    WHERE thing_groups.rowid = n.id;
UPDATE numbers SET value = value + (SELECT count(*) FROM thing_groups);

WITH RECURSIVE line (scope, name, root, path) AS (
    SELECT scope, name, seq, printf('%016x', seq) FROM thing_groups WHERE parent IS NULL
    UNION ALL
    SELECT c.scope, c.name, l.root, l.path || printf('%016x', c.seq)
        FROM line l JOIN thing_groups c ON c.scope = l.scope AND c.parent = l.name)
UPDATE thing_groups SET root = line.root, path = line.path FROM line
    WHERE line.scope = thing_groups.scope AND line.name = thing_groups.name;

CREATE UNIQUE INDEX thing_groups_seq ON thing_groups (seq);
CREATE UNIQUE INDEX thing_groups_path ON thing_groups (scope, path);
CREATE INDEX thing_groups_roots ON thing_groups (scope, name) WHERE parent IS NULL;
CREATE INDEX thing_groups_dynamic ON thing_groups (scope, seq) WHERE query <> '';
DROP INDEX thing_groups_parent;
CREATE INDEX thing_groups_parent ON thing_groups (scope, parent, name) WHERE parent IS NOT NULL;

-- A thing in a group, by the group's number. A row whose group is gone counts
-- for nothing, and is taken away by whoever comes by. root is the number of the
-- topmost ancestor of the group: a thing is in one group of a tree.
CREATE TABLE group_members (
    scope       INTEGER NOT NULL,
    thing       TEXT    NOT NULL,
    root        INTEGER NOT NULL,
    thing_group INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, thing, root),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE
) WITHOUT ROWID;
INSERT INTO group_members (scope, thing, root, thing_group, created_at)
    SELECT m.scope, m.thing, g.root, g.seq, m.created_at
    FROM thing_group_members m JOIN thing_groups g ON g.scope = m.scope AND g.name = m.thing_group;
DROP TABLE thing_group_members;
CREATE INDEX group_members_group ON group_members (thing_group, thing);

-- What remains to be done about the members of a group: of one that is gone
-- they are removed, of a dynamic one they are found.
CREATE TABLE group_work (
    thing_group INTEGER PRIMARY KEY,
    scope       INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    position    TEXT    NOT NULL,
    started_at  INTEGER NOT NULL
);
CREATE INDEX group_work_started ON group_work (started_at);

-- Another number whenever a dynamic group of the scope is made, changed or
-- removed; 0 while there was none.
ALTER TABLE scopes ADD COLUMN dynamic_version INTEGER NOT NULL DEFAULT 0;
