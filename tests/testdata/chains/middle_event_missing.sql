-- chain at event 4: event 3 is missing
DELETE FROM events WHERE id = 3;
