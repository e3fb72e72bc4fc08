-- Series of documents: the versions that messages brought, and what each target shows of them.
--
-- Neither has partitions, and neither goes with a day: without them a cancellation that comes years later would withdraw
-- nothing. Both are narrow. The messages behind old versions may be gone; what was published of them stays known.

CREATE TABLE version (
    seq     bigint PRIMARY KEY, -- the order of arrival
    day     integer NOT NULL, -- of the message
    owner   text COLLATE "C" NOT NULL,
    strand  uuid NOT NULL, -- what must be seen together
    mark    uuid NOT NULL, -- by what others refer to it
    parent  uuid,          -- the mark of the message before it, if it names one
    message uuid NOT NULL,
    content bytea NOT NULL, -- SHA-256 of the KITH XML
    record  text NOT NULL  -- JSON
);

-- The same message with the same content, for another receiver, is the same version.
CREATE UNIQUE INDEX version_once ON version (owner, strand, mark, content);
CREATE INDEX version_mark ON version (owner, mark);
CREATE INDEX version_parent ON version (owner, parent) WHERE parent IS NOT NULL;
CREATE INDEX version_message ON version (owner, message);

CREATE TABLE shown (
    owner  text COLLATE "C" NOT NULL,
    strand uuid NOT NULL,
    target text COLLATE "C" NOT NULL,
    entry  uuid NOT NULL,
    at     bigint NOT NULL, -- since when it stands so
    record text NOT NULL,   -- JSON
    PRIMARY KEY (owner, target, entry)
) WITH (fillfactor = 80);

CREATE INDEX shown_strand ON shown (owner, strand);
