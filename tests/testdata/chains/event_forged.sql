-- chain at event 7: hmac does not match the event and the signing key
-- All fields are valid except the HMAC: a forger does not have the key.
INSERT INTO events SELECT 7, timestamp, 'remark', '{"by":"T3"}', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', hmac FROM events WHERE id = 6;
