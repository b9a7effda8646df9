-- body: the bytes are not those the last event was written for
-- What is left of the chain is whole; the row tells of the event that is gone.
DELETE FROM events WHERE id = 6;
