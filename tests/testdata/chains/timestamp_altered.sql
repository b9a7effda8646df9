-- chain at event 3: hmac does not match the event and the signing key
UPDATE events SET timestamp = '2020-01-01T00:00:00.000Z' WHERE id = 3;
