-- chain at event 5: hmac does not match the event and the signing key
-- Bytes moved from one field to the next must change the signed text.
UPDATE events SET event_type = event_type || substr(payload, 1, 1), payload = substr(payload, 2) WHERE id = 5;
