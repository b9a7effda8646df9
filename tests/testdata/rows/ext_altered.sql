-- body: the row says ext "html", the last event that tells it "txt"
UPDATE stage_meta SET ext = 'html';
