-- chain at event 2: prev_hmac is not the hmac of the previous event
UPDATE events SET id = 100 WHERE id = 2;
UPDATE events SET id = 2 WHERE id = 3;
UPDATE events SET id = 3 WHERE id = 100;
