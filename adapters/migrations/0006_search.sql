-- Operators look for messages by what is known of them. One index for all such questions: it is walked from the newest time on,
-- and holds what they mostly ask, so that few rows are read which are not wanted.

CREATE INDEX message_search ON message (owner, received, sender, family, verdict, reason);
