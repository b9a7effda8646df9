-- history: the bytes of version 2 do not match their hash and length
UPDATE content SET bytes = CAST('one\nTWO\n' AS BLOB) WHERE sha256 = (SELECT sha256 FROM history WHERE version = 2);
