-- unreadable: the row of the world is missing
DELETE FROM stage_meta;
