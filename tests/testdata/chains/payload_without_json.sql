-- chain at event 2: hmac does not match the event and the signing key
UPDATE events SET payload = 'nothing' WHERE id = 2;
