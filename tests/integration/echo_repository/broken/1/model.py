"""Refuses to start, as a model with a damaged file would."""


class TritonPythonModel:
    """Raises when loaded."""

    def initialize(self, args):
        raise RuntimeError("the weights of broken are unreadable")

    def execute(self, requests):
        return []
