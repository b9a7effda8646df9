-- chain at event 2: hmac does not match the event and the signing key
UPDATE events SET payload = CAST(payload AS BLOB) WHERE id = 2;
