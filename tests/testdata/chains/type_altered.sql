-- chain at event 5: hmac does not match the event's content under this machine's key
UPDATE events SET event_type = 'plugin_approved' WHERE id = 5;
