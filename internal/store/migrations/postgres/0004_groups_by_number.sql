-- +goose Up
-- A group has a number that no other ever gets. path is the numbers of its
-- ancestors from the root down and its own, sixteen hexadecimal digits each, so
-- that a group and all below it are one range. query is '' for a static group.
ALTER TABLE thing_groups
    ADD COLUMN seq           BIGINT           NOT NULL DEFAULT 0,
    ADD COLUMN path          TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN query         TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN query_version TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN status        TEXT COLLATE "C" NOT NULL DEFAULT '',
    DROP COLUMN root;
ALTER TABLE thing_groups ADD COLUMN root BIGINT NOT NULL DEFAULT 0;

UPDATE thing_groups g SET seq = n.seq
    FROM (SELECT scope, name, nextval('numbers') AS seq
        FROM (SELECT scope, name FROM thing_groups ORDER BY created_at, scope, name) o) n
    WHERE g.scope = n.scope AND g.name = n.name;

WITH RECURSIVE line (scope, name, root, path) AS (
    SELECT scope, name, seq, lpad(to_hex(seq), 16, '0') COLLATE "C" FROM thing_groups WHERE parent IS NULL
    UNION ALL
    SELECT c.scope, c.name, l.root, l.path || lpad(to_hex(c.seq), 16, '0') COLLATE "C"
        FROM line l JOIN thing_groups c ON c.scope = l.scope AND c.parent = l.name)
UPDATE thing_groups g SET root = line.root, path = line.path FROM line
    WHERE line.scope = g.scope AND line.name = g.name;

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
    scope       BIGINT           NOT NULL,
    thing       TEXT COLLATE "C" NOT NULL,
    root        BIGINT           NOT NULL,
    thing_group BIGINT           NOT NULL,
    created_at  BIGINT           NOT NULL,
    PRIMARY KEY (scope, thing, root),
    FOREIGN KEY (scope, thing) REFERENCES things (scope, name) ON DELETE CASCADE
);
INSERT INTO group_members (scope, thing, root, thing_group, created_at)
    SELECT m.scope, m.thing, g.root, g.seq, m.created_at
    FROM thing_group_members m JOIN thing_groups g ON g.scope = m.scope AND g.name = m.thing_group;
DROP TABLE thing_group_members;
CREATE INDEX group_members_group ON group_members (thing_group, thing);

-- What remains to be done about the members of a group: of one that is gone
-- they are removed, of a dynamic one they are found.
CREATE TABLE group_work (
    thing_group BIGINT           NOT NULL PRIMARY KEY,
    scope       BIGINT           NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    generation  BIGINT           NOT NULL,
    position    TEXT COLLATE "C" NOT NULL,
    started_at  BIGINT           NOT NULL
);
CREATE INDEX group_work_started ON group_work (started_at);

-- Another number whenever a dynamic group of the scope is made, changed or
-- removed; 0 while there was none.
ALTER TABLE scopes ADD COLUMN dynamic_version BIGINT NOT NULL DEFAULT 0;
