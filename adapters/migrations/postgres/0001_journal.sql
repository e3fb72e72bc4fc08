-- The journal on PostgreSQL as it first was: one for any number of brokers.
--
-- What is partitioned, and why. The tables that grow for ever and are large (message, body, document, evidence, event,
-- recipient) have one partition a day: the day on which the row was written, by the server's clock, so that the clocks of the
-- brokers do not matter. Retention drops whole days, which gives the disk back at once and leaves nothing to vacuum. All
-- that one transaction takes in has the same day; in particular a recipient and the event that accepted it, so that
-- the books of a day balance by themselves and stay balanced when a day is dropped. A message that is judged again
-- gets recipients and documents of a later day: they name its day, and keep it.
--
-- What is not. `pending` holds every recipient that a loop or a timer still has to do with, complete, and nothing else:
-- waiting, sending, unsure, or handed over while a receipt is awaited. It is small, so claims and deadlines cost the same
-- whatever the journal holds, and vacuum keeps up with its many changes; in a table of millions the dead entries
-- of the queue's index would pile up. While a recipient is pending, its row in `recipient` says only that. Keys
-- by which repeats and receipts are recognised must outlive the messages, and be unique over all days.
--
-- Numbers are of one sequence, taken inside of the transaction that writes them: what was answered before another
-- call began has the lower number, over all brokers. Days count from 1970-01-01; times are microseconds since then, UTC.
-- Nothing here refers to another table by a foreign key: a day could not be dropped then without reading the others.
--
-- Reading by an id of ours begins at the day that the id itself names (UUID version 7), a day more on each side, and
-- looks further only if nothing is there.

CREATE SEQUENCE number AS bigint;

-- What messages were judged by: one row per distinct combination.
CREATE TABLE provenance (
    seq    bigint PRIMARY KEY DEFAULT nextval('number'),
    owner  text COLLATE "C" NOT NULL,
    hash   bytea NOT NULL, -- of the record
    record text NOT NULL,  -- JSON
    UNIQUE (owner, hash)
);

-- A running broker, or a command that writes; and the chain of events that it alone writes, so that no broker waits for
-- another's commit. The end of the chain stands here: events cut off at the end are missed too.
CREATE TABLE instance (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner     text COLLATE "C" NOT NULL,
    name      text NOT NULL,
    program   text NOT NULL,
    runs      boolean NOT NULL,     -- claims recipients; false for a command
    started   timestamptz NOT NULL DEFAULT now(),
    last_seq  bigint NOT NULL DEFAULT 0,
    last_hash bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'
);

-- Apart from the chain, which is locked by every commit. By the server's clock.
CREATE TABLE heartbeat (
    instance bigint PRIMARY KEY,
    at       timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Bytes, of messages and of documents made from them. They come compressed; small ones stay in the row.
CREATE TABLE body (
    day    integer NOT NULL,
    seq    bigint NOT NULL,
    codec  text NOT NULL CHECK (codec IN ('plain', 'zstd', 'aead')),
    key_id text CHECK ((key_id IS NOT NULL) = (codec = 'aead')),
    size   bigint NOT NULL, -- of the original
    bytes  bytea NOT NULL,
    PRIMARY KEY (day, seq)
) PARTITION BY RANGE (day);
ALTER TABLE body ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE message (
    day               integer NOT NULL,
    seq               bigint NOT NULL,
    owner             text COLLATE "C" NOT NULL,
    id                uuid NOT NULL,
    short             bigint NOT NULL, -- the last 40 bits of the id, for the form that is read out
    received          bigint NOT NULL,
    source            text COLLATE "C" NOT NULL,
    sender            text COLLATE "C",
    msg_id            text COLLATE "C",
    document_id       text COLLATE "C", -- the sender's own, shared by all versions of a document
    family            text COLLATE "C",
    version           text COLLATE "C",
    type              text COLLATE "C",
    generated         bigint,
    test              boolean NOT NULL,
    verdict           text COLLATE "C" NOT NULL,
    reason            text COLLATE "C",
    duplicate_of      uuid,
    size              bigint NOT NULL,
    content_hash      bytea NOT NULL,
    provenance        bigint NOT NULL,
    body              bigint NOT NULL, -- of the same day
    envelope_receiver bigint,
    envelope_sender   bigint,
    head              text, -- JSON, as the others below
    findings          text NOT NULL,
    explanation       text,
    protection        text,
    transport         text, -- what the transport said of it
    PRIMARY KEY (day, seq)
) PARTITION BY RANGE (day);

CREATE INDEX message_id ON message (id);
CREATE INDEX message_short ON message (short);
-- A sender may write an id of any length; an index entry may not have any.
CREATE INDEX message_msg_id ON message (left(msg_id, 200)) WHERE msg_id IS NOT NULL;
CREATE INDEX message_document_id ON message (left(document_id, 200)) WHERE document_id IS NOT NULL;
-- The operators' questions: what came from this sender, of this kind, with this fault, at that time?
CREATE INDEX message_received ON message (owner, received);
CREATE INDEX message_sender ON message (owner, sender, received) WHERE sender IS NOT NULL;
CREATE INDEX message_family ON message (owner, family, received) WHERE family IS NOT NULL;
CREATE INDEX message_reason ON message (owner, reason, received) WHERE reason IS NOT NULL;

-- What was made from a message: receipts, shared documents.
CREATE TABLE document (
    day         integer NOT NULL,
    seq         bigint NOT NULL,
    owner       text COLLATE "C" NOT NULL,
    id          uuid NOT NULL,
    message     uuid NOT NULL,
    message_day integer NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    body        bigint NOT NULL, -- of the same day
    PRIMARY KEY (day, seq)
) PARTITION BY RANGE (day);

CREATE INDEX document_id ON document (id);
CREATE INDEX document_message ON document (message);

-- One receiver x one destination x one form of a message: what is delivered, counted and answered for. `seq` is the
-- order of arrival. State `pending`: see there.
CREATE TABLE recipient (
    day              integer NOT NULL,
    seq              bigint NOT NULL,
    owner            text COLLATE "C" NOT NULL,
    id               uuid NOT NULL,
    message          uuid NOT NULL,
    message_day      integer NOT NULL,
    book             text COLLATE "C" NOT NULL CHECK (book IN ('message', 'receipt')),
    receiver         bigint,
    destination      text COLLATE "C",
    kind             text COLLATE "C", -- of the document; none: the original bytes
    document         uuid,
    body_day         integer NOT NULL,
    body             bigint NOT NULL,
    size             bigint NOT NULL, -- of the bytes
    order_key        text COLLATE "C",
    receipt_written  boolean NOT NULL,
    received         bigint NOT NULL,
    since            bigint NOT NULL, -- intake, or the last replay
    state            text COLLATE "C" NOT NULL,
    reason           text COLLATE "C",
    detail           text,
    tries            bigint NOT NULL,
    maybe_arrived    boolean NOT NULL,
    receipt_deadline bigint,
    expires          bigint,
    label            text, -- JSON: what stands on the outside of it
    PRIMARY KEY (day, seq)
) PARTITION BY RANGE (day);

CREATE INDEX recipient_id ON recipient (id);
CREATE INDEX recipient_message ON recipient (message);
CREATE INDEX recipient_set_aside ON recipient (owner, seq) WHERE state IN ('parked', 'expired');
CREATE INDEX recipient_receiver ON recipient (owner, receiver, received) WHERE receiver IS NOT NULL;
CREATE INDEX recipient_state ON recipient (owner, state, received);
CREATE INDEX recipient_reason ON recipient (owner, reason, received) WHERE reason IS NOT NULL;
CREATE INDEX recipient_destination ON recipient (owner, destination, received) WHERE destination IS NOT NULL;
-- How many errors a party was sent lately: somebody who floods us in its name shall not make us flood it.
CREATE INDEX recipient_errors ON recipient (owner, receiver, received) WHERE kind = 'transport-error';

CREATE TABLE pending (
    LIKE recipient INCLUDING CONSTRAINTS,
    next_attempt bigint,
    -- When it may be claimed: the next attempt of a waiting or unsure recipient that nothing older of its order key
    -- stands before, else none.
    due          bigint,
    instance     bigint, -- which broker is sending it
    PRIMARY KEY (id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
        autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX pending_due ON pending (owner, destination, due, seq) WHERE due IS NOT NULL;
CREATE INDEX pending_open ON pending (owner, destination, received)
    WHERE state IN ('waiting', 'sending', 'unsure');
CREATE INDEX pending_sending ON pending (owner, instance) WHERE state = 'sending';
CREATE INDEX pending_order ON pending (owner, destination, order_key, seq)
    WHERE order_key IS NOT NULL AND state IN ('waiting', 'sending', 'unsure');
CREATE INDEX pending_expires ON pending (owner, expires)
    WHERE expires IS NOT NULL AND state IN ('waiting', 'unsure');
CREATE INDEX pending_deadline ON pending (owner, receipt_deadline)
    WHERE receipt_deadline IS NOT NULL AND state = 'handed_over';
CREATE INDEX pending_state ON pending (owner, state, received);
CREATE INDEX pending_reason ON pending (owner, reason, received) WHERE reason IS NOT NULL;
CREATE INDEX pending_day ON pending (day);
CREATE INDEX pending_message_day ON pending (message_day);

-- Every recipient as it stands, for people.
CREATE VIEW standing AS
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since, state,
        reason, detail, tries, receipt_deadline, expires, NULL::bigint AS next_attempt
    FROM recipient WHERE state <> 'pending'
    UNION ALL
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since, state,
        reason, detail, tries, receipt_deadline, expires, next_attempt
    FROM pending;

-- Repeats are recognised by these. `day` is when they were written: keys have a retention of their own. What a sender
-- writes has no longest length, and an index entry has: so they are found by SHA-256.
CREATE TABLE duplicate_key (
    owner        text COLLATE "C" NOT NULL,
    key          bytea NOT NULL, -- of sender, msg_id and receiver
    seen         bytea NOT NULL, -- of sender and msg_id
    receiver     text COLLATE "C" NOT NULL,
    message      uuid NOT NULL,
    content_hash bytea NOT NULL,
    day          integer NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX duplicate_key_seen ON duplicate_key (owner, seen);
CREATE INDEX duplicate_key_day ON duplicate_key (day);

-- By what an incoming receipt may name the recipient that it answers.
CREATE TABLE original_key (
    owner           text COLLATE "C" NOT NULL,
    key             bytea NOT NULL, -- of id and receiver
    recipient       uuid NOT NULL,
    recipient_day   integer NOT NULL,
    seq             bigint NOT NULL,
    message         uuid NOT NULL,
    generated       bigint,
    receipt_written boolean NOT NULL,
    day             integer NOT NULL,
    PRIMARY KEY (owner, key, recipient)
);
CREATE INDEX original_key_day ON original_key (day);

-- By what a source marks repeated calls.
CREATE TABLE idempotency_key (
    owner        text COLLATE "C" NOT NULL,
    key          bytea NOT NULL, -- of source and key
    message      uuid NOT NULL,
    content_hash bytea NOT NULL,
    day          integer NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_key_day ON idempotency_key (day);

-- Bytes that the account of a protection names by their SHA-256, kept once a day: thousands of messages rest on the same
-- list of revoked certificates, and each day can be dropped without asking the others.
CREATE TABLE evidence (
    day    integer NOT NULL,
    owner  text COLLATE "C" NOT NULL,
    hash   bytea NOT NULL, -- of the original bytes
    codec  text NOT NULL CHECK (codec IN ('plain', 'zstd', 'aead')),
    key_id text CHECK ((key_id IS NOT NULL) = (codec = 'aead')),
    size   bigint NOT NULL, -- of the original
    bytes  bytea NOT NULL,
    PRIMARY KEY (day, owner, hash)
) PARTITION BY RANGE (day);
ALTER TABLE evidence ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What happened: numbered without gaps in each chain, each row with the hash of the one before and its own.
CREATE TABLE event (
    day       integer NOT NULL,
    number    bigint NOT NULL DEFAULT nextval('number'), -- the order over all chains, nearly
    chain     bigint NOT NULL, -- the instance
    seq       bigint NOT NULL,
    owner     text COLLATE "C" NOT NULL,
    at        bigint NOT NULL,
    message   uuid,
    recipient uuid,
    what      text COLLATE "C" NOT NULL,
    detail    text,
    previous  bytea NOT NULL,
    hash      bytea NOT NULL,
    PRIMARY KEY (day, number)
) PARTITION BY RANGE (day);

CREATE UNIQUE INDEX event_chain ON event (chain, seq, day);
CREATE INDEX event_message ON event (message) WHERE message IS NOT NULL;
-- The ledger counts what was accepted from here; `detail` is the book.
CREATE INDEX event_accepted ON event (owner, recipient) INCLUDE (detail) WHERE what = 'accepted';

-- The part of a chain that went with a dropped day: where it began and ended, so that the rest can still be checked.
CREATE TABLE dropped (
    day       integer NOT NULL,
    chain     bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL,
    previous  bytea NOT NULL, -- before the first
    hash      bytea NOT NULL, -- of the last
    PRIMARY KEY (chain, first_seq)
);

CREATE FUNCTION is_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % is never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER body_is_append_only BEFORE UPDATE ON body
    FOR EACH ROW EXECUTE FUNCTION is_never_changed();
CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE ON event
    FOR EACH ROW EXECUTE FUNCTION is_never_changed();
CREATE TRIGGER evidence_is_append_only BEFORE UPDATE ON evidence
    FOR EACH ROW EXECUTE FUNCTION is_never_changed();

-- The day that this transaction writes to.
CREATE FUNCTION today() RETURNS integer LANGUAGE sql STABLE AS
    $$ SELECT floor(extract(epoch FROM now()) / 86400)::integer $$;

-- Makes the tables of a day. They are attached when they are ready: that asks for a lock that nobody who reads or writes
-- has to wait for.
CREATE FUNCTION make_day(wanted integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    name   text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['body', 'message', 'document', 'recipient', 'evidence', 'event'] LOOP
        name := parent || '_' || to_char(date '1970-01-01' + wanted, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE,
            CHECK (day >= %s AND day < %s))', name, parent, wanted, wanted + 1);
        IF parent = 'body' THEN
            EXECUTE format('ALTER TABLE %I SET (toast_tuple_target = 4080)', name);
        ELSIF parent IN ('recipient', 'message') THEN
            EXECUTE format('ALTER TABLE %I SET (fillfactor = 85)', name);
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent, name, wanted, wanted + 1);
    END LOOP;
END $$;
