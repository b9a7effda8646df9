-- chain at event 4: hmac does not match the event's content under this machine's key
UPDATE events SET hmac = upper(hmac) WHERE id = 4;
