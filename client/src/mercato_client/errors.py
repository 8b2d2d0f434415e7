"""The exceptions of the client.

    MercatoClientError
    ├── InvalidArgumentError     a value breaks a rule, found here or by the server
    ├── DeadlineExceededError    no answer within the time allowed
    ├── UnavailableError         no server can be reached, or it sheds load; repeating later may help
    ├── UnauthenticatedError     the server asks for credentials that were not given or are not good enough
    ├── ServerError              the server failed on a good request, or does not serve the model asked for
    ├── ProtocolError            the answer is not what was promised: an output missing, malformed or misaligned
    └── ClientClosedError        the client was used after ``close()``

Each of them keeps the foreign error it was made from, if any, as ``__cause__``.
"""


class MercatoClientError(Exception):
    """Base of every error that the client raises on purpose.

    Attributes:
        status: gRPC status name (``UNAVAILABLE``, ...) when the error came over the wire, else None.
    """

    def __init__(self, message: str, *, status: str | None = None) -> None:
        """Make the error.

        Args:
            message: what happened and what to do about it.
            status: gRPC status name, when the error came over the wire.
        """
        super().__init__(message)
        self.status = status


class InvalidArgumentError(MercatoClientError):
    """A value breaks a rule. Repeating the call does not help.

    Attributes:
        parameter: the parameter at fault, in lower case as in the client's methods; None where the server did not say.
    """

    def __init__(self, message: str, *, parameter: str | None = None, status: str | None = None) -> None:
        """Make the error.

        Args:
            message: parameter, constraint, what was given, remedy.
            parameter: name of the parameter.
            status: gRPC status name, when the server found it.
        """
        super().__init__(message, status=status)
        self.parameter = parameter


class DeadlineExceededError(MercatoClientError):
    """No answer came within the time allowed. A write may have been accepted nevertheless."""


class UnavailableError(MercatoClientError):
    """No server can be reached, or the one reached is not taking work now.

    Attributes:
        retry_after_s: seconds after which a server that sheds load is worth another try; None where none was reached.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, status: str | None = None) -> None:
        """Make the error.

        Args:
            message: what happened and what to do about it.
            retry_after_s: when to come back, in seconds; None where nobody can say.
            status: gRPC status name, when the error came over the wire.
        """
        super().__init__(message, status=status)
        self.retry_after_s = retry_after_s


class UnauthenticatedError(MercatoClientError):
    """Credentials are missing or do not permit the call."""


class ServerError(MercatoClientError):
    """The server failed on a request that may be perfectly good."""


class ProtocolError(MercatoClientError):
    """The answer breaks the contract. Usually client and server are of different versions."""


class ClientClosedError(MercatoClientError):
    """The client was closed before, or while, the call was made."""
