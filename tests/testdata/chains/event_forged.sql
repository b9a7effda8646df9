-- chain at event 7: hmac does not match the event and the signing key
-- Everything fits but the signature, for which a forger has no key.
INSERT INTO events SELECT 7, timestamp, 'remark', '{"by":"T3"}', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', hmac FROM events WHERE id = 6;
