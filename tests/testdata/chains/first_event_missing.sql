-- chain at event 2: event 1 is missing
DELETE FROM events WHERE id = 1;
