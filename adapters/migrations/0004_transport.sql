-- What a transport with envelopes says of a message, and what stands on the outside of what is sent: a message is judged
-- again by the same facts, and an envelope is the same at every attempt.

ALTER TABLE message ADD COLUMN transport TEXT; -- JSON
ALTER TABLE recipient ADD COLUMN label TEXT; -- JSON

-- How many errors a party was sent lately: somebody who floods us in its name shall not make us flood it.
CREATE INDEX recipient_errors ON recipient (owner, receiver, received)
    WHERE label IS NOT NULL AND label ->> '$.role' = 'error';
