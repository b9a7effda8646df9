-- chain: the chain has no events
-- body: no event tells the body's hash
DELETE FROM events;
