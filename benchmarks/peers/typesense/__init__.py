"""Typesense: words only."""
