-- body: the bytes do not match the hash in the last event
-- What is left of the chain is whole; the row tells of the event that is gone.
DELETE FROM events WHERE id = 6;
