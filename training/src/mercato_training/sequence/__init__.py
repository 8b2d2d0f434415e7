"""Training the sequence model: what a shopper takes next, from the order of what they took before."""
