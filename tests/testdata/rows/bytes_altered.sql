-- body: the bytes are not those the last event was written for
UPDATE stage_meta SET stage_html = CAST('<script>' AS BLOB);
