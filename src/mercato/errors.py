"""The exceptions of Mercato.

    MercatoError
    ├── InvalidInputError        a caller's value breaks a rule: parameter, constraint, given, remedy
    ├── DataError                a file from outside (catalogue, events) cannot be used
    ├── SnapshotError            a catalogue snapshot is truncated, altered or of another version
    │   └── EncoderMismatchError     ... or was built with another encoder than the one served
    ├── StateError               the state store cannot be read or written
    ├── DenseError               a vector database cannot be reached, is late, or holds another snapshot
    │   └── CollectionError          ... of another snapshot, unfinished, or missing: it has to be loaded
    ├── ModelError               a model file is missing, altered or fails
    ├── OverloadedError          a request cannot be answered in time; says when to come back
    ├── AbandonedError           nobody waits for the answer any more
    └── ServerError              the Triton server cannot be found, started or reached

Every message says what was expected, what was given, and what to do about it.
"""


class MercatoError(Exception):
    """Base of every error that Mercato raises on purpose."""


class InvalidInputError(MercatoError):
    """A caller's value breaks a rule; becomes INVALID_ARGUMENT on the wire.

    Attributes:
        parameter: name of the offending parameter, as the caller knows it (``QUERY``, ``FILTER``, ...).
    """

    def __init__(self, parameter: str, problem: str, remedy: str = "") -> None:
        """Make the error.

        Args:
            parameter: the parameter's name.
            problem: the constraint and what was given, as a clause.
            remedy: what to do, as a clause; empty where the constraint says it all.
        """
        self.parameter = parameter
        super().__init__(f"{parameter}: {problem}" + (f"; {remedy}" if remedy else ""))


class DataError(MercatoError):
    """A catalogue or events file cannot be used as it is."""


class SnapshotError(MercatoError):
    """A catalogue snapshot is missing, truncated, altered or of another version."""


class EncoderMismatchError(SnapshotError):
    """A snapshot was built with another encoder than the one that is served."""


class StateError(MercatoError):
    """The state store cannot be read or written."""


class DenseError(MercatoError):
    """A vector database that dense retrieval asks cannot be reached, is late, or refuses."""


class CollectionError(DenseError):
    """A vector database holds no collection that was filled, whole, from the snapshot that is served."""


class ModelError(MercatoError):
    """A model file is missing, altered, or fails when run."""


class OverloadedError(MercatoError):
    """A request was refused before any work, because its answer would come too late; becomes UNAVAILABLE on the wire.

    Attributes:
        retry_after_s: seconds after which the same request is worth another try.
    """

    def __init__(self, problem: str, *, retry_after_s: float) -> None:
        """Make the error.

        Args:
            problem: what was too much, as a clause.
            retry_after_s: seconds, which the message ends with: clients read it there.
        """
        self.retry_after_s = retry_after_s
        super().__init__(f"overloaded: {problem}; come back in {retry_after_s:.1f} s")


class AbandonedError(MercatoError):
    """The caller of a request has gone, by cancelling it or because its deadline is over; becomes CANCELLED."""


class ServerError(MercatoError):
    """The Triton server cannot be found, started or reached."""
