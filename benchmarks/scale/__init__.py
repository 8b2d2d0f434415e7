"""Catalogues of many sizes: generated from a real one, indexed, served and measured."""
