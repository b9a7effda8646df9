-- chain at event 3: prev_hmac is not the hmac of the previous event
DELETE FROM events WHERE id = 3;
UPDATE events SET id = id - 1 WHERE id > 3;
