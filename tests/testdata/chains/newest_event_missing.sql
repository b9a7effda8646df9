-- body: the bytes do not match the hash in the last event
-- The remaining chain is valid; only the row shows that an event is missing.
DELETE FROM events WHERE id = 6;
