"""The sources of candidates, a file each, and the tuple that lists them."""
