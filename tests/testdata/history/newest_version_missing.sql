-- history: version 4 is missing
DELETE FROM history WHERE version = 4;
