-- history: the bytes of version 2 are not those it was kept for
UPDATE content SET bytes = CAST('one\nTWO\n' AS BLOB) WHERE sha256 = (SELECT sha256 FROM history WHERE version = 2);
