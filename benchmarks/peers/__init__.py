"""Mercato beside what else a shop could serve: the same catalogue, the same queries, by turns in one run."""
