-- What a person has discarded lies aside no more, so it holds back no day and is in no index of what lies aside.

CREATE OR REPLACE VIEW standing AS
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since, state,
        reason, detail, tries, receipt_deadline, expires, NULL::bigint AS next_attempt
    FROM recipient WHERE aside IS NULL AND state IN ('handed_over', 'receipted', 'discarded')
    UNION ALL
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since,
        aside AS state, reason, detail, tries, receipt_deadline, expires, NULL::bigint AS next_attempt
    FROM recipient WHERE aside IS NOT NULL
    UNION ALL
    SELECT day, seq, owner, id, message, message_day, book, receiver, destination, kind, document, received, since, state,
        reason, detail, tries, receipt_deadline, expires, next_attempt
    FROM pending;
