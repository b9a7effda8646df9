-- chain at event 3: prev_hmac is not the hmac of the previous event
UPDATE events SET prev_hmac = 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff' WHERE id = 3;
