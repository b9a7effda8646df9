-- chain at event 2: hmac does not match the event and the signing key
-- The same fields in another spelling are other bytes.
UPDATE events SET payload = replace(payload, '"op":"append",', '"op": "append",') WHERE id = 2;
