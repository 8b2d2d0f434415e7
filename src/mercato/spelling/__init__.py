"""The catalogue's own words, and the one that a mistyped word was meant to be."""
