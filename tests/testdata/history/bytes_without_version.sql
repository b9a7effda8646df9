-- history: no version has the kept bytes 00
INSERT INTO content (sha256, bytes) VALUES ('00', x'00');
