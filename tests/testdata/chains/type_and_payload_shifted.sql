-- chain at event 5: hmac does not match the event and the signing key
-- What stands beside each other must not be able to flow into one another.
UPDATE events SET event_type = event_type || substr(payload, 1, 1), payload = substr(payload, 2) WHERE id = 5;
