-- history: bytes are kept that no version has (00)
INSERT INTO content (sha256, bytes) VALUES ('00', x'00');
