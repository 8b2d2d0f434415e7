"""Engines: networks compiled for one kind of GPU, and whether they fit the machine that is to run them.

Nothing is re-exported: the command line reads what engines are declared to be, and would load manifests with it.
"""
