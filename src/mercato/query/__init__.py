"""What the words of a query mean to a catalogue: read, corrected, widened by synonyms, completed."""
