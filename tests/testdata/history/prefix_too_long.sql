-- history: version 3 is longer than the next one
UPDATE history SET len = 4096 WHERE version = 3;
