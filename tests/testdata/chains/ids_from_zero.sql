-- chain at event 0: event 1 is missing
UPDATE events SET id = id - 1;
