-- What operators ask of a journal on PostgreSQL. In psql, set what the question names and copy the one that you need:
--     \set owner default
--     \set sender 8094866
--     SELECT (extract(epoch FROM timestamptz '2026-01-31 06:00Z') * 1e6)::bigint AS since,
--            (extract(epoch FROM timestamptz '2026-01-31 07:00Z') * 1e6)::bigint AS until \gset
-- They are answered by indexes; the program `questions` of benches/ shows time and plan of these very statements in a large
-- journal. What is still to be done stands in `pending` too, and that goes before what `recipient` says. Times are
-- microseconds since 1970, UTC; what names days lets PostgreSQL leave other days alone, and what is ordered by is the table's
-- column: a bare `received` would be the time that is shown, which no index has. None shows what stands inside of a message.

-- question: by our id
SELECT id, to_timestamp(received / 1e6) AS received, source, sender, family, verdict, reason, size
FROM message WHERE owner = :'owner' AND id = :'id'::uuid;

-- question: by the sender's id
SELECT id, to_timestamp(received / 1e6) AS received, source, sender, family, verdict, reason, size
FROM message WHERE owner = :'owner' AND left(msg_id, 200) = left(:'msg_id', 200) AND msg_id = :'msg_id';

-- question: where a message is now
SELECT r.id, r.book, r.receiver, coalesce(p.destination, r.destination) AS destination, r.kind, coalesce(p.state, r.state) AS state,
    CASE WHEN p.id IS NULL THEN r.reason ELSE p.reason END AS reason, coalesce(p.tries, r.tries) AS tries,
    to_timestamp(p.next_attempt / 1e6) AS next_attempt
FROM recipient r LEFT JOIN pending p ON p.id = r.id
WHERE r.owner = :'owner' AND r.message = :'id'::uuid ORDER BY r.seq;

-- question: by sender and time
SELECT id, to_timestamp(received / 1e6) AS received, family, verdict, reason
FROM message WHERE owner = :'owner' AND sender = :'sender'
AND received >= :since AND received < :until
AND day BETWEEN :since / 86400000000 - 1 AND :until / 86400000000 + 1
ORDER BY message.received DESC LIMIT 100;

-- question: by receiver and time
SELECT r.message, r.id, to_timestamp(r.received / 1e6) AS received, r.receiver, coalesce(p.destination, r.destination) AS destination,
    r.kind, coalesce(p.state, r.state) AS state, CASE WHEN p.id IS NULL THEN r.reason ELSE p.reason END AS reason
FROM recipient r LEFT JOIN pending p ON p.id = r.id
WHERE r.owner = :'owner' AND r.receiver = :receiver
AND r.received >= :since AND r.received < :until
AND r.day >= :since / 86400000000 - 1
ORDER BY r.received DESC LIMIT 100;

-- question: by family and time
SELECT id, to_timestamp(received / 1e6) AS received, sender, version, verdict, reason
FROM message WHERE owner = :'owner' AND family = :'family'
AND received >= :since AND received < :until
AND day BETWEEN :since / 86400000000 - 1 AND :until / 86400000000 + 1
ORDER BY message.received DESC LIMIT 100;

-- question: by time
SELECT id, to_timestamp(received / 1e6) AS received, source, sender, family, verdict, reason
FROM message WHERE owner = :'owner' AND received >= :since AND received < :until
AND day BETWEEN :since / 86400000000 - 1 AND :until / 86400000000 + 1
ORDER BY message.received DESC LIMIT 100;

-- question: by code, what was judged so
SELECT id, to_timestamp(received / 1e6) AS received, source, sender, family, verdict
FROM message WHERE owner = :'owner' AND reason = :'code'
AND received >= :since AND received < :until
AND day BETWEEN :since / 86400000000 - 1 AND :until / 86400000000 + 1
ORDER BY message.received DESC LIMIT 100;

-- question: by code, what was not delivered
SELECT message, id, to_timestamp(f.received / 1e6) AS received, receiver, destination, state, detail FROM (
    (SELECT message, id, received, receiver, destination, state, detail FROM recipient
    WHERE owner = :'owner' AND reason = :'code' AND state <> 'pending'
    AND received >= :since AND received < :until AND day >= :since / 86400000000 - 1
    ORDER BY received DESC LIMIT 100)
    UNION ALL
    (SELECT message, id, received, receiver, destination, state, detail FROM pending
    WHERE owner = :'owner' AND reason = :'code' AND received >= :since AND received < :until
    ORDER BY received DESC LIMIT 100)
) f ORDER BY f.received DESC LIMIT 100;

-- What did not end well has an index by its state. Of what did, time finds enough, since nearly all of it did.
-- question: by state, the oldest first
SELECT message, id, to_timestamp(f.received / 1e6) AS received, receiver, destination, reason, tries FROM (
    (SELECT message, id, received, receiver, destination, reason, tries FROM recipient
    WHERE owner = :'owner' AND aside = :'state'
    AND received >= :since AND received < :until AND day >= :since / 86400000000 - 1
    ORDER BY received LIMIT 100)
    UNION ALL
    (SELECT message, id, received, receiver, destination, reason, tries FROM recipient
    WHERE owner = :'owner' AND aside IS NULL AND state = :'state' AND :'state' IN ('handed_over', 'receipted', 'discarded')
    AND received >= :since AND received < :until AND day >= :since / 86400000000 - 1
    ORDER BY received LIMIT 100)
    UNION ALL
    (SELECT message, id, received, receiver, destination, reason, tries FROM pending
    WHERE owner = :'owner' AND state = :'state' AND received >= :since AND received < :until
    ORDER BY received LIMIT 100)
) f ORDER BY f.received LIMIT 100;

-- question: by destination and time
SELECT r.message, r.id, to_timestamp(r.received / 1e6) AS received, r.receiver, coalesce(p.destination, r.destination) AS destination,
    r.kind, coalesce(p.state, r.state) AS state, CASE WHEN p.id IS NULL THEN r.reason ELSE p.reason END AS reason
FROM recipient r LEFT JOIN pending p ON p.id = r.id
WHERE r.owner = :'owner' AND r.destination = :'destination'
AND r.received >= :since AND r.received < :until
AND r.day >= :since / 86400000000 - 1
ORDER BY r.received DESC LIMIT 100;

-- question: what waits for a destination, the oldest first
SELECT message, id, to_timestamp(pending.received / 1e6) AS received, receiver, state, reason, tries,
    to_timestamp(next_attempt / 1e6) AS next_attempt
FROM pending WHERE owner = :'owner' AND destination = :'destination' AND state IN ('waiting', 'sending', 'unsure')
ORDER BY pending.received, seq LIMIT 100;

-- question: by the id of the AMQP message, from a party, on a source
SELECT m.id, to_timestamp(m.received / 1e6) AS received, m.source, m.sender, m.family, m.verdict, m.reason
FROM idempotency_key i JOIN message m ON m.id = i.message AND m.owner = i.owner
WHERE i.owner = :'owner' AND i.key = sha256(int8send(octet_length(:'source')) || convert_to(:'source', 'UTF8')
    || int8send(octet_length(:'party' || '/' || :'amqp_id')) || convert_to(:'party' || '/' || :'amqp_id', 'UTF8'));

-- question: the series of a message, with what targets show of it
SELECT v.seq, v.strand, v.message, v.mark, v.parent, s.target, s.entry, to_timestamp(s.at / 1e6) AS at
FROM version v LEFT JOIN shown s ON s.owner = v.owner AND s.strand = v.strand
WHERE v.owner = :'owner' AND v.strand IN (SELECT strand FROM version WHERE owner = :'owner' AND message = :'id'::uuid)
ORDER BY v.seq, s.target LIMIT 100;

-- question: what is set aside
SELECT message, id, to_timestamp(received / 1e6) AS received, receiver, destination, state, reason, detail
FROM recipient WHERE owner = :'owner' AND aside IN ('parked', 'expired') ORDER BY seq LIMIT 100;

-- question: what waits where, and since when
SELECT destination, state, count(*), to_timestamp(min(received) / 1e6) AS oldest, max(tries) AS most_tries
FROM pending WHERE owner = :'owner' AND state IN ('waiting', 'sending', 'unsure')
GROUP BY destination, state ORDER BY oldest;

-- question: which receipts are overdue
SELECT message, id, receiver, destination, to_timestamp(receipt_deadline / 1e6) AS deadline
FROM pending WHERE owner = :'owner' AND state = 'handed_over' AND receipt_deadline < (extract(epoch FROM now()) * 1e6)::bigint
ORDER BY receipt_deadline LIMIT 100;
