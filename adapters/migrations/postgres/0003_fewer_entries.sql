-- Fewer index entries for each message: most of what the server did for one was writing them.
--
-- A recipient is written when it is accepted and changed once, when it leaves `pending`. That change costs no index anything
-- as long as no indexed column changes with it, and the new row finds room beside the old (fillfactor). So `state` is in no
-- index any more; what is asked for by state is what did not end well, and that has a column of its own, which stays empty
-- for all others. By any other state, time finds it: nearly every recipient stands so.
--
-- In `pending` each change writes every index anew, since what is due changes with the state. Those are left that a loop or
-- a timer needs many times a second; by state alone finds what is open, and what is being sent.
--
-- Brokers of the version before go on working. The column makes the server write the recipients' tables anew.

DROP INDEX recipient_state;
DROP INDEX recipient_set_aside;
ALTER TABLE recipient ADD COLUMN aside text COLLATE "C" GENERATED ALWAYS AS
    (CASE WHEN state IN ('rejected', 'parked', 'expired', 'replaced') THEN state END) STORED;
CREATE INDEX recipient_aside ON recipient (owner, aside, received) WHERE aside IS NOT NULL;
CREATE INDEX recipient_set_aside ON recipient (owner, seq) WHERE aside IN ('parked', 'expired');
CREATE INDEX recipient_received ON recipient (owner, received);

DROP INDEX pending_open;
DROP INDEX pending_sending;
-- Days are asked about once an hour, and then by one reading of what is pending.
DROP INDEX pending_day;
DROP INDEX pending_message_day;

-- As before. What did not end well is told apart, so that each part is found by its own index.
CREATE OR REPLACE VIEW standing AS
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since, state,
        reason, detail, tries, receipt_deadline, expires, NULL::bigint AS next_attempt
    FROM recipient WHERE aside IS NULL AND state IN ('handed_over', 'receipted')
    UNION ALL
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since,
        aside AS state, reason, detail, tries, receipt_deadline, expires, NULL::bigint AS next_attempt
    FROM recipient WHERE aside IS NOT NULL
    UNION ALL
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since, state,
        reason, detail, tries, receipt_deadline, expires, next_attempt
    FROM pending;

-- As before, with the new column, and with room for the one change of each recipient.
CREATE OR REPLACE FUNCTION make_day(wanted integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    name   text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['body', 'message', 'document', 'recipient', 'evidence', 'event'] LOOP
        name := parent || '_' || to_char(date '1970-01-01' + wanted, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE
            INCLUDING GENERATED, CHECK (day >= %s AND day < %s))', name, parent, wanted, wanted + 1);
        IF parent = 'body' THEN
            EXECUTE format('ALTER TABLE %I SET (toast_tuple_target = 4080)', name);
        ELSIF parent = 'recipient' THEN
            EXECUTE format('ALTER TABLE %I SET (fillfactor = 50)', name);
        ELSIF parent = 'message' THEN
            EXECUTE format('ALTER TABLE %I SET (fillfactor = 85)', name);
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent, name, wanted, wanted + 1);
    END LOOP;
END $$;

DO $$
DECLARE
    day regclass;
BEGIN
    FOR day IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'recipient'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', day);
    END LOOP;
END $$;
