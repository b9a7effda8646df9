-- history: version 1 does not match the hash in its event
-- Versions 1 and 2 would then be prefixes of version 4.
UPDATE history SET kind = 'prefix', sha256 = NULL, len = 2 WHERE version = 2;
DELETE FROM content WHERE sha256 NOT IN (SELECT sha256 FROM history WHERE sha256 IS NOT NULL);
