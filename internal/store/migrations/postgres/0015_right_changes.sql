-- +goose Up
-- What was changed that may take rights from devices, as gateways follow it. An
-- entry is written in the transaction of the change, behind it. Transactions do
-- not commit in the order of seq: tx, the id of the transaction, tells a reader
-- which entries it cannot have seen yet. names are a list in JSON; region is ''
-- where the account as a whole is meant.
CREATE TABLE right_changes (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx      BIGINT           NOT NULL DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT),
    account TEXT COLLATE "C" NOT NULL,
    region  TEXT COLLATE "C" NOT NULL,
    kind    TEXT COLLATE "C" NOT NULL,
    names   TEXT COLLATE "C" NOT NULL,
    detail  TEXT COLLATE "C" NOT NULL,
    at      BIGINT           NOT NULL
);
CREATE INDEX right_changes_tx ON right_changes (tx, seq);

-- Of old entries those of transactions before purged are gone, and those before
-- mark, which was set at marked_at, go next.
CREATE TABLE right_feed (
    purged    BIGINT NOT NULL,
    mark      BIGINT NOT NULL,
    marked_at BIGINT NOT NULL
);
INSERT INTO right_feed (purged, mark, marked_at) VALUES (0, 0, 0);

-- +goose StatementBegin
CREATE FUNCTION notify_right_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('cordon_right_changes', '');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER right_changes_notify AFTER INSERT ON right_changes
    FOR EACH STATEMENT EXECUTE FUNCTION notify_right_changes();
