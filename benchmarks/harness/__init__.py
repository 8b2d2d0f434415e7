"""What all benchmarks stand on: the store, its requests, the machine, results as files, commands."""
