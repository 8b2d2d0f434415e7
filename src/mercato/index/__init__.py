"""What lies on disk of a catalogue, and the live view of it: snapshot, indexes, columns, changes since."""
