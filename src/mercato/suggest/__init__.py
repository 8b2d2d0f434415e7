"""Autocomplete: what a shopper is about to type, from the catalogue and from what others searched for."""
