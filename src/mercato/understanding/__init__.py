"""What a query means besides its words: typed conditions, found from the catalogue's own values and from grammar."""
