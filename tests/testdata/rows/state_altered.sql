-- body: the row has state "active", the last event with a state has ""
-- A plugin nobody approved would be started.
UPDATE stage_meta SET state = 'active';
