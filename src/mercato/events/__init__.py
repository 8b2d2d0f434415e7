"""User events: what they are, how they are checked one by one and by the million.

Nothing is re-exported: the command line reads declarations that reach in here, and would load Arrow and scipy with it.
"""
