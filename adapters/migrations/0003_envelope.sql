-- Whom the transport named as receiver and as sender: a message that is judged again must be judged by the same facts.

ALTER TABLE message ADD COLUMN envelope_receiver INTEGER;
ALTER TABLE message ADD COLUMN envelope_sender INTEGER;
