-- chain at event 5: hmac does not match the event and the signing key
UPDATE events SET event_type = 'plugin_approved' WHERE id = 5;
