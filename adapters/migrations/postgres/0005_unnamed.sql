-- Whose head names no sender is found by the sender that its envelope names. Few messages are so, and all others cost nothing.

CREATE INDEX message_unnamed ON message (owner, envelope_sender, received) WHERE sender IS NULL;
