-- body: the bytes are not those the last event was written for
UPDATE stage_meta SET stage_html = substr(stage_html, 1, 2);
