-- unreadable: no such table: events
DROP TABLE events;
