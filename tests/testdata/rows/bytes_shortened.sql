-- body: the bytes do not match the hash in the last event
UPDATE stage_meta SET stage_html = substr(stage_html, 1, 2);
