-- body: the metadata is not what the last event that tells it was written for
UPDATE stage_meta SET headers = '[["x-meta-author","somebody else"]]';
