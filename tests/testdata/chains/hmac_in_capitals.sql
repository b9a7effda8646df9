-- chain at event 4: hmac does not match the event and the signing key
UPDATE events SET hmac = upper(hmac) WHERE id = 4;
