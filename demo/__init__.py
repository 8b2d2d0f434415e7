"""The demo store: The Complete Journey, from its package to a running shop."""
