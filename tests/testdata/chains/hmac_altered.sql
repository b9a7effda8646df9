-- chain at event 4: hmac does not match the event and the signing key
UPDATE events SET hmac = replace(hmac, substr(hmac, 1, 1), CASE substr(hmac, 1, 1) WHEN '0' THEN '1' ELSE '0' END) WHERE id = 4;
