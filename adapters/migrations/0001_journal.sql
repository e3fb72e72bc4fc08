-- The journal as it first was.
--
-- Every row has an owner, so that one journal can later serve several. Times are microseconds since 1970 in
-- UTC. Ids of ours are UUIDs as 16 bytes; `seq` numbers are the journal's own and never leave it.
--
-- What is append-only (bodies, events) is kept so by triggers. What is updated (recipient) is narrow and
-- apart from what is large.

-- `Buds`: tells the file from those of other programs.
PRAGMA application_id = 1114989683;

-- What messages were judged by: one row per distinct combination.
CREATE TABLE provenance (
    seq    INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    record TEXT NOT NULL, -- JSON
    UNIQUE (owner, record)
) STRICT;

-- Bytes, of messages and of documents made from them.
CREATE TABLE body (
    seq    INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    codec  TEXT NOT NULL CHECK (codec IN ('plain', 'zstd', 'aead')),
    key_id TEXT CHECK ((key_id IS NOT NULL) = (codec = 'aead')),
    size   INTEGER NOT NULL, -- of the original
    bytes  BLOB NOT NULL
) STRICT;

CREATE TRIGGER body_is_append_only BEFORE UPDATE ON body
BEGIN SELECT RAISE(ABORT, 'a body is never changed'); END;

CREATE TABLE message (
    seq          INTEGER PRIMARY KEY,
    owner        TEXT NOT NULL,
    id           BLOB NOT NULL UNIQUE,
    short        INTEGER NOT NULL, -- the last 40 bits of the id, for the form that is read out
    received     INTEGER NOT NULL,
    source       TEXT NOT NULL,
    sender       TEXT,
    msg_id       TEXT,
    document_id  TEXT, -- the sender's own, shared by all versions of a document
    family       TEXT,
    version      TEXT,
    type         TEXT,
    generated    INTEGER,
    test         INTEGER NOT NULL,
    verdict      TEXT NOT NULL,
    reason       TEXT,
    duplicate_of BLOB,
    size         INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    provenance   INTEGER NOT NULL REFERENCES provenance,
    body         INTEGER NOT NULL REFERENCES body,
    head         TEXT, -- JSON, as the next two
    findings     TEXT NOT NULL,
    explanation  TEXT
) STRICT;

CREATE INDEX message_short ON message (short);
CREATE INDEX message_msg_id ON message (msg_id) WHERE msg_id IS NOT NULL;
CREATE INDEX message_document_id ON message (document_id) WHERE document_id IS NOT NULL;

-- What was made from a message: receipts, shared documents.
CREATE TABLE document (
    seq     INTEGER PRIMARY KEY,
    owner   TEXT NOT NULL,
    id      BLOB NOT NULL,
    message INTEGER NOT NULL REFERENCES message,
    kind    TEXT NOT NULL,
    body    INTEGER NOT NULL REFERENCES body
) STRICT;

CREATE INDEX document_id ON document (id);

-- One receiver x one destination x one form of a message: what is delivered, counted and answered for.
-- `seq` is the order of arrival.
CREATE TABLE recipient (
    seq              INTEGER PRIMARY KEY,
    owner            TEXT NOT NULL,
    id               BLOB NOT NULL UNIQUE,
    message          INTEGER NOT NULL REFERENCES message,
    book             TEXT NOT NULL CHECK (book IN ('message', 'receipt')),
    receiver         INTEGER,
    destination      TEXT,
    document         INTEGER REFERENCES document, -- none: the original bytes
    order_key        TEXT,
    receipt_written  INTEGER NOT NULL,
    received         INTEGER NOT NULL,
    since            INTEGER NOT NULL, -- intake, or the last replay
    state            TEXT NOT NULL,
    reason           TEXT,
    detail           TEXT,
    tries            INTEGER NOT NULL,
    maybe_arrived    INTEGER NOT NULL,
    next_attempt     INTEGER,
    -- When it may be claimed: the next attempt of a waiting or unsure recipient that nothing older of its
    -- order key stands before, else none. The claim reads this alone, so that neither a long backlog nor a
    -- long queue behind one key costs it anything.
    due              INTEGER,
    receipt_deadline INTEGER,
    expires          INTEGER
) STRICT;

CREATE INDEX recipient_message ON recipient (message);
CREATE INDEX recipient_due ON recipient (owner, destination, due, seq) WHERE due IS NOT NULL;
CREATE INDEX recipient_open ON recipient (owner, destination, received)
    WHERE state IN ('waiting', 'sending', 'unsure');
CREATE INDEX recipient_sending ON recipient (owner, seq) WHERE state = 'sending';
CREATE INDEX recipient_order ON recipient (owner, destination, order_key, seq)
    WHERE order_key IS NOT NULL AND state IN ('waiting', 'sending', 'unsure');
CREATE INDEX recipient_turn ON recipient (owner, destination, order_key, seq)
    WHERE order_key IS NOT NULL AND (due IS NOT NULL OR state = 'sending');
CREATE INDEX recipient_expires ON recipient (owner, expires)
    WHERE expires IS NOT NULL AND state IN ('waiting', 'unsure');
CREATE INDEX recipient_deadline ON recipient (owner, receipt_deadline)
    WHERE receipt_deadline IS NOT NULL AND state = 'handed_over';
CREATE INDEX recipient_set_aside ON recipient (owner, seq) WHERE state IN ('parked', 'expired');

-- Repeats are recognised by these.
CREATE TABLE duplicate_key (
    owner        TEXT NOT NULL,
    sender       TEXT NOT NULL,
    msg_id       TEXT NOT NULL,
    receiver     TEXT NOT NULL,
    message      BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    PRIMARY KEY (owner, sender, msg_id, receiver)
) STRICT, WITHOUT ROWID;

-- By what an incoming receipt may name the recipient that it answers.
CREATE TABLE original_key (
    owner     TEXT NOT NULL,
    id        TEXT NOT NULL,
    receiver  TEXT NOT NULL,
    recipient INTEGER NOT NULL REFERENCES recipient,
    PRIMARY KEY (owner, id, receiver, recipient)
) STRICT, WITHOUT ROWID;

-- By what a source marks repeated calls.
CREATE TABLE idempotency_key (
    owner        TEXT NOT NULL,
    source       TEXT NOT NULL,
    key          TEXT NOT NULL,
    message      BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    PRIMARY KEY (owner, source, key)
) STRICT, WITHOUT ROWID;

-- What happened, numbered without gaps, each row with the hash of the one before and its own.
CREATE TABLE event (
    seq       INTEGER PRIMARY KEY,
    owner     TEXT NOT NULL,
    at        INTEGER NOT NULL,
    message   BLOB,
    recipient BLOB,
    what      TEXT NOT NULL,
    detail    TEXT,
    previous  BLOB NOT NULL,
    hash      BLOB NOT NULL
) STRICT;

CREATE INDEX event_message ON event (message) WHERE message IS NOT NULL;
-- The ledger counts what was accepted from here; `detail` is the book.
CREATE INDEX event_accepted ON event (owner, recipient, detail) WHERE what = 'accepted';

CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
CREATE TRIGGER event_is_not_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END;
