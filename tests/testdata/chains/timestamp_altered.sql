-- chain at event 3: hmac does not match the event's content under this machine's key
UPDATE events SET timestamp = '2020-01-01T00:00:00.000Z' WHERE id = 3;
