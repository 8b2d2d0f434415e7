"""Benchmarks of how models learn; they train, with PyTorch."""
