"""The networks that are trained and exported, and how each is kept on disk: what training and export both need."""
