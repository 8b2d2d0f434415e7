"""Benchmarks of the server: latency, rate, CPU time and memory."""
