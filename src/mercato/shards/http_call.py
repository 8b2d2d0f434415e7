"""A call of a shard's server over HTTP: KServe's protocol with binary tensors, by the standard library.

Triton's python processes cannot call another server's models, and the gRPC client would bring its threads into each of
them.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from threading import local

from mercato.errors import ModelError

_PATH = "/v2/models/shard/infer"
_LENGTH = "Inference-Header-Content-Length"
_COUNT_BYTES = 4
"""Before each text of a binary tensor of texts stands its length."""


class HttpCall:
    """Sends messages to the model `shard` of a server, over a connection of each thread that stays open."""

    def __init__(self, address: str, *, timeout_s: float) -> None:
        """Take an address.

        Args:
            address: ``HOST:PORT``, of the server's HTTP.
            timeout_s: seconds of one call.
        """
        self.address = address
        self._timeout_s = timeout_s
        self._open = local()

    def __call__(self, message: bytes) -> bytes:
        """Send a message.

        Returns:
            The reply.

        Raises:
            ModelError: the server cannot be reached, is late, or refuses.
        """
        for known in (True, False):
            connection: HTTPConnection | None = getattr(self._open, "connection", None)
            if connection is None:
                known = False
                connection = self._open.connection = HTTPConnection(self.address, timeout=self._timeout_s)
            try:
                return self._send(connection, message)
            except TimeoutError as exc:
                self._close(connection)
                raise ModelError(f"no answer within {self._timeout_s:g} seconds") from exc
            except (OSError, HTTPException) as exc:
                self._close(connection)
                if not known:  # one that was open may have been closed by the server meanwhile
                    raise ModelError(f"cannot be reached ({exc})") from exc
        raise ModelError("cannot be reached")

    def _close(self, connection: HTTPConnection) -> None:
        connection.close()
        self._open.connection = None

    def _send(self, connection: HTTPConnection, message: bytes) -> bytes:
        header = json.dumps(
            {
                "inputs": [
                    {
                        "name": "MESSAGE",
                        "shape": [1, 1],
                        "datatype": "BYTES",
                        "parameters": {"binary_data_size": len(message) + _COUNT_BYTES},
                    }
                ],
                "outputs": [{"name": "REPLY", "parameters": {"binary_data": True}}],
                "parameters": {"timeout": int(self._timeout_s * 1e6)},
            }
        ).encode()
        body = header + len(message).to_bytes(_COUNT_BYTES, "little") + message
        connection.request("POST", _PATH, body, {_LENGTH: str(len(header))})
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise ModelError(_read_error(content) or f"refuses with status {response.status}")
        start = int(response.headers.get(_LENGTH, len(content))) + _COUNT_BYTES
        return content[start:]


def _read_error(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return ""
