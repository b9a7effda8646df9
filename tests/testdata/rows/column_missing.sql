-- unreadable: no such column: headers
ALTER TABLE stage_meta DROP COLUMN headers;
