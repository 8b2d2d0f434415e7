"""Reading catalogues: how fast product files come in."""
