"""Synonyms that a shop writes down: read from its file, kept in the snapshot, applied to queries."""
