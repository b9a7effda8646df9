-- unreadable: no such table: content
DROP TABLE content;
