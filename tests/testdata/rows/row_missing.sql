-- unreadable: its row is missing
DELETE FROM stage_meta;
