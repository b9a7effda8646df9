-- history: version 9 is kept, but the current one is 5
DELETE FROM history; DELETE FROM content;
INSERT INTO history VALUES (9, 'prefix', 'txt', '[]', '', '2026-01-01T00:00:00.000Z', 0, NULL);
