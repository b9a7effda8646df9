-- chain at event 2: hmac does not match the event and the signing key
UPDATE events SET payload = replace(payload, '"T2"', '"T3"') WHERE id = 2;
