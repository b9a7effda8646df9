-- chain: the chain has no events
-- body: no event records the hash of the body
DELETE FROM events;
