"""Training of the models that are served. Needs the ``export`` extra (torch)."""
