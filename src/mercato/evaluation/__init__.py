"""How good the answers of a running server are: ratings and purchases in, metrics with intervals and a report out."""
