-- unreadable: no such table: stage_meta
DROP TABLE stage_meta;
