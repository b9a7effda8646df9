-- chain at event -1: event 1 is missing
INSERT INTO events SELECT -1, timestamp, event_type, payload, hmac, prev_hmac FROM events WHERE id = 1;
