"""The exceptions of the benchmarks.

BenchmarkError          a benchmark cannot be run, or its load generator failed
"""


class BenchmarkError(Exception):
    """A benchmark cannot be run; the message says what is missing or what failed, and what to do."""
