"""Training the ranker: from purchases, from ratings, or from both."""
