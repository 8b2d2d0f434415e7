"""What a shop would want to clean in its catalogue: found in a snapshot, ordered by how much it hurts search."""
