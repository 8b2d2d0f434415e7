"""Benchmarks of search: how good and how fast."""
