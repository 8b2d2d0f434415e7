"""Candidate retrieval: vectors, words and behaviour, over a snapshot and what changed since."""
