"""What is learned from events without a gradient: popularity, repeats, what goes together.

Pure functions over arrays. Each takes ``until``, so that training can learn from the past alone.

Nothing is re-exported: the command line reads declarations that reach in here, and would load Arrow and scipy with it.
"""
