-- body: the metadata does not match the last event with metadata
UPDATE stage_meta SET headers = '[["x-meta-author","somebody else"]]';
