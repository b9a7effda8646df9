-- history: version 1 does not match the hash in its event
-- Version 2 would be the beginning of version 4, and so would version 1.
UPDATE history SET kind = 'prefix', sha256 = NULL, len = 2 WHERE version = 2;
DELETE FROM content WHERE sha256 NOT IN (SELECT sha256 FROM history WHERE sha256 IS NOT NULL);
