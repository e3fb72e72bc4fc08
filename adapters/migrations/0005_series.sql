-- Series of documents: the versions that messages brought, and what each target shows of them.
--
-- Both are narrow, and outlive the messages: without them a cancellation that comes years later would withdraw nothing.

CREATE TABLE version (
    seq     INTEGER PRIMARY KEY, -- the order of arrival
    owner   TEXT NOT NULL,
    strand  BLOB NOT NULL, -- what must be seen together
    mark    BLOB NOT NULL, -- by what others refer to it
    parent  BLOB,          -- the mark of the message before it, if it names one
    message BLOB NOT NULL,
    content BLOB NOT NULL, -- SHA-256 of the KITH XML
    record  TEXT NOT NULL  -- JSON
) STRICT;

-- The same message with the same content, for another receiver, is the same version.
CREATE UNIQUE INDEX version_once ON version (owner, strand, mark, content);
CREATE INDEX version_mark ON version (owner, mark);
CREATE INDEX version_parent ON version (owner, parent) WHERE parent IS NOT NULL;
CREATE INDEX version_message ON version (owner, message);

CREATE TABLE shown (
    owner  TEXT NOT NULL,
    strand BLOB NOT NULL,
    target TEXT NOT NULL,
    entry  BLOB NOT NULL,
    at     INTEGER NOT NULL, -- since when it stands so
    record TEXT NOT NULL,    -- JSON
    PRIMARY KEY (owner, target, entry)
) STRICT, WITHOUT ROWID;

CREATE INDEX shown_strand ON shown (owner, strand);
