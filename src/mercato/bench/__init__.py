"""How fast a running server is, and what that costs it: load in, latency, throughput, CPU and memory out."""
