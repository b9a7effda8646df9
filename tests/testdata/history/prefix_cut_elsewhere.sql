-- history: version 1 is not the one its event was written for
UPDATE history SET len = len - 1 WHERE version = 1;
