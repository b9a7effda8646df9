-- history: version 2 is missing
DELETE FROM history WHERE version = 2;
