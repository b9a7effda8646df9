-- body: the row has state "active", the last event with a state has ""
-- A plugin that was never approved would start.
UPDATE stage_meta SET state = 'active';
