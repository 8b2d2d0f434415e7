"""Building a snapshot: learn, encode, write, switch."""
