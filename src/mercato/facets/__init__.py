"""Facets: how many products of a result have which value."""
