"""Suggestions for what a shopper is typing, from the catalogue and from past queries."""
