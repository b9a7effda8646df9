-- body: the row has ext "html", the last event with an ext has "txt"
UPDATE stage_meta SET ext = 'html';
