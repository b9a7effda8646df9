-- body: the row says version 6, the last event 5
-- history: version 5 is missing
UPDATE stage_meta SET version = 6;
