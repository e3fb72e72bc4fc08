-- Why a message was trusted, or not: an account, and the bytes that it rests on.
--
-- The account stands with the message, as JSON. It names certificates, revocation answers and signed content by their
-- SHA-256; those are kept once, for thousands of messages rest on the same list of revoked certificates.

ALTER TABLE message ADD COLUMN protection TEXT; -- JSON

CREATE TABLE evidence (
    owner  TEXT NOT NULL,
    hash   BLOB NOT NULL, -- of the original bytes
    codec  TEXT NOT NULL CHECK (codec IN ('plain', 'zstd', 'aead')),
    key_id TEXT CHECK ((key_id IS NOT NULL) = (codec = 'aead')),
    size   INTEGER NOT NULL, -- of the original
    bytes  BLOB NOT NULL,
    PRIMARY KEY (owner, hash)
) STRICT;

-- Everything that was made from one message is looked up for its proof.
CREATE INDEX document_message ON document (message);

CREATE TRIGGER evidence_is_append_only BEFORE UPDATE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is never changed'); END;
