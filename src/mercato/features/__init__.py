"""What the ranker reads of a request, computed alike when it is trained and when it serves."""
