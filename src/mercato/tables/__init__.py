"""Files of rows as they lie: packed or not, of any encoding, dialect and format; nothing of products or events."""
