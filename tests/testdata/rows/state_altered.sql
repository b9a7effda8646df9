-- body: the row says state "active", the last event that tells it ""
-- A plugin nobody approved would be started.
UPDATE stage_meta SET state = 'active';
