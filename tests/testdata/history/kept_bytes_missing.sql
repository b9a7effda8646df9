-- history: the bytes of version 4 are missing
DELETE FROM content WHERE sha256 = (SELECT sha256 FROM history WHERE version = 4);
