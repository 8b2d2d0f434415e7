"""Running models on a Triton server: finding one, staging a repository, starting, supervising, stopping.

Nothing is re-exported here on purpose: every stub process of the server imports ``mercato.serving.adapter`` and
would pay, in memory and start time, for what only the process that starts the server needs.
"""
