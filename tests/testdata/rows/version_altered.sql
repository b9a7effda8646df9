-- body: the row has version 6, the last event has 5
-- history: version 5 is missing
UPDATE stage_meta SET version = 6;
