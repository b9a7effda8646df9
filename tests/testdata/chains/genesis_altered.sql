-- chain at event 1: prev_hmac is not the hmac of the previous event
UPDATE events SET prev_hmac = '1111111111111111111111111111111111111111111111111111111111111111' WHERE id = 1;
