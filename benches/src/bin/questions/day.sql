-- One day of a large journal, as a region leaves it behind: a few senders, receivers and destinations have most of the
-- messages, most faults are of a few kinds, and what came late stands beside what came early. Nothing is random: what is drawn
-- comes from the number of the message. Names in braces are filled in by the program.
SET synchronous_commit = off;

CREATE TEMP TABLE drawn AS
SELECT d.day, g AS seq, h, r, b.received,
    -- Between 0 and 1, each apart from the others.
    ('x' || substr(h, 1, 6))::bit(24)::integer / 16777216::float8 AS u_sender,
    ('x' || substr(h, 7, 6))::bit(24)::integer / 16777216::float8 AS u_receiver,
    ('x' || substr(h, 13, 6))::bit(24)::integer / 16777216::float8 AS u_family,
    ('x' || substr(h, 19, 6))::bit(24)::integer / 16777216::float8 AS u_reason,
    ('x' || substr(h, 25, 6))::bit(24)::integer / 16777216::float8 AS u_code,
    ('x' || substr(r, 1, 6))::bit(24)::integer / 16777216::float8 AS u_state,
    ('x' || substr(r, 7, 6))::bit(24)::integer / 16777216::float8 AS u_to,
    ('x' || substr(r, 13, 6))::bit(24)::integer / 16777216::float8 AS u_open,
    -- As ours are: the time first.
    (t.ms || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid AS id,
    (t.ms || '7' || substr(r, 1, 3) || '8' || substr(r, 4, 15))::uuid AS recipient
FROM generate_series({first}, {last} - 1) g
    CROSS JOIN (SELECT today() - {ago} AS day) d
    CROSS JOIN LATERAL (SELECT md5('m' || g) AS h, md5('r' || g) AS r) m
    CROSS JOIN LATERAL (SELECT d.day * 86400000000::bigint + (g - {first}) * (86400000000 / ({last} - {first})) AS received) b
    CROSS JOIN LATERAL (SELECT lpad(to_hex(b.received / 1000), 12, '0') AS ms) t;

CREATE TEMP TABLE made AS
SELECT *, (8000000 + floor(2000 * u_sender ^ 3)::bigint)::text AS sender, 9000000 + floor(3000 * u_receiver ^ 3)::bigint AS receiver,
    'P' || to_char(1 + floor(40 * u_code ^ 3), 'FM00') AS code,
    -- What is open is of the last day, and half of it waits for one that does not answer.
    CASE WHEN {ago} = 0 AND u_state < 0.6 AND u_open < 0.5 THEN 'amqp:hangs'
        ELSE 'amqp:d' || floor(200 * u_to ^ 3) END AS destination,
    CASE WHEN {ago} = 0 AND u_state < 0.6 THEN 'pending' WHEN u_state > 0.99 THEN 'rejected' WHEN u_state > 0.988 THEN 'parked'
        WHEN u_state > 0.986 THEN 'expired' WHEN u_state > 0.8 THEN 'handed_over' ELSE 'receipted' END AS state,
    CASE WHEN mod(seq, 10) = 0 THEN 'k' || floor(1000 * u_sender) END AS order_key
FROM drawn;

INSERT INTO message (day, seq, owner, id, short, received, source, sender, msg_id, document_id, family, version, type, generated,
    test, verdict, reason, size, content_hash, provenance, body, findings)
SELECT day, seq, 'default', id, ('x' || right(replace(id::text, '-', ''), 10))::bit(40)::bigint, received, 'amqp:in', sender,
    md5('i' || seq), CASE WHEN u_family < 0.7 THEN md5('d' || seq / 3) END,
    (ARRAY['app-rec', 'result-report', 'discharge-summary', 'referral', 'dialogue', 'admission-report', 'requisition', 'record-extract'])
        [1 + floor(8 * u_family ^ 2)], '1.4', 'x', received, false,
    CASE WHEN u_reason < 0.01 THEN 'parked' ELSE 'accepted' END, CASE WHEN u_reason < 0.01 THEN code END,
    20000, decode(md5('a' || seq) || md5('b' || seq), 'hex'), 1, seq, '{"list":[],"omitted":0,"cap":10}'
FROM made;

INSERT INTO recipient (day, seq, owner, id, message, message_day, book, receiver, destination, body_day, body, size, order_key,
    receipt_written, received, since, state, reason, tries, maybe_arrived)
SELECT day, seq, 'default', recipient, id, day, 'message', receiver, destination, day, seq, 20000, order_key, false, received,
    received, state, CASE WHEN state IN ('rejected', 'parked', 'expired') THEN code END, 1, false
FROM made;

INSERT INTO pending (day, seq, owner, id, message, message_day, book, receiver, destination, body_day, body, size, order_key,
    receipt_written, received, since, state, reason, tries, maybe_arrived, receipt_deadline, expires, next_attempt, due)
SELECT day, seq, 'default', recipient, id, day, 'message', receiver, destination, day, seq, 20000, order_key, false, received,
    received, s.state, CASE WHEN s.state = 'unsure' THEN 'P08' END, 1, false,
    CASE WHEN s.state = 'handed_over' THEN received + 345600000000 END,
    CASE WHEN s.state <> 'handed_over' THEN received + 864000000000 END,
    CASE WHEN s.state IN ('waiting', 'unsure') THEN received END,
    CASE WHEN s.state IN ('waiting', 'unsure') AND order_key IS NULL THEN received END
FROM made CROSS JOIN LATERAL (SELECT CASE WHEN u_code < 0.002 THEN 'sending' WHEN u_code < 0.05 THEN 'unsure'
    WHEN u_code < 0.7 THEN 'waiting' ELSE 'handed_over' END AS state) s
WHERE made.state = 'pending';

-- Receipts, published documents and events: of every tenth message.
INSERT INTO document (day, seq, owner, id, message, message_day, kind, body)
SELECT day, seq, 'default', md5('o' || seq)::uuid, id, day, 'receipt', seq FROM made WHERE mod(seq, 10) = 0;

INSERT INTO event (day, number, chain, seq, owner, at, message, recipient, what, detail, previous, hash)
SELECT day, seq, 1, seq, 'default', received, id, recipient, 'accepted', 'message', sha256('p'), sha256('h') FROM made
WHERE mod(seq, 10) = 0;

INSERT INTO version (seq, day, owner, strand, mark, parent, message, content, record)
SELECT seq, day, 'default', md5('s' || seq / 40)::uuid, md5('v' || seq)::uuid,
    CASE WHEN mod(seq, 40) <> 0 THEN md5('v' || seq - 10)::uuid END, id, sha256(('c' || seq)::bytea), '{}'
FROM made WHERE mod(seq, 10) = 0;

INSERT INTO shown (owner, strand, target, entry, at, record)
SELECT 'default', md5('s' || seq / 40)::uuid, 'national', md5('e' || seq)::uuid, received, '{}' FROM made WHERE mod(seq, 40) = 0;

-- By what a repeat of an AMQP message is known: as `known_by` and `key` make it.
INSERT INTO idempotency_key (owner, key, message, content_hash, day)
SELECT 'default', sha256(int8send(octet_length('amqp:in')) || 'amqp:in' || int8send(octet_length(k.name)) || convert_to(k.name, 'UTF8')),
    id, sha256('c'), day
FROM made CROSS JOIN LATERAL (SELECT sender || '/' || md5('q' || seq) AS name) k;
