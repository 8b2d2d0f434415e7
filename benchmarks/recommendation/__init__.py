"""Benchmarks of recommendation: how good and how fast."""
