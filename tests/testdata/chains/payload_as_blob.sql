-- chain at event 2: hmac does not match the event's content under this machine's key
UPDATE events SET payload = CAST(payload AS BLOB) WHERE id = 2;
