-- chain at event 7: prev_hmac is not the hmac of the previous event
INSERT INTO events SELECT 7, timestamp, event_type, payload, hmac, prev_hmac FROM events WHERE id = 6;
