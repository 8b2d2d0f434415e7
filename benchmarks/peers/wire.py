"""A closed loop over plain connections, for servers that do not speak gRPC: HTTP/1.1 and PostgreSQL's own protocol.

As `mercato.bench.driver` does, it sends bytes that were made before and reads no more of an answer than where it ends.
Each caller has a connection, and sends the next request once the last is answered.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mercato.bench.driver import SAMPLED_ANSWERS, Load
from mercato.bench.figures import ANSWERED, Outcome

_HEAD_END = b"\r\n\r\n"


class Framing(ABC):
    """How a protocol says where an answer ends, and whether it is one."""

    greeting: Sequence[bytes] = ()
    """What is sent first on each connection, each part once the one before is answered."""

    @abstractmethod
    def find_end(self, received: bytes) -> int:
        """Return how many bytes the first whole answer has; 0 where it has not all come yet."""

    @abstractmethod
    def name_error(self, answer: bytes) -> str:
        """Return the kind of an error, `ANSWERED` for an answer."""


class Http(Framing):
    """Answers of HTTP/1.1, with a length or in chunks, on a connection that stays open."""

    def find_end(self, received: bytes) -> int:
        """Return the length of head and body together (RFC 9112, sections 6.2 and 7.1)."""
        head_end = received.find(_HEAD_END)
        if head_end < 0:
            return 0
        body = head_end + len(_HEAD_END)
        head = received[:head_end].lower()
        at = head.find(b"content-length:")
        if at >= 0:
            end = body + int(head[at + 15 :].split(b"\r\n", 1)[0])
            return end if len(received) >= end else 0
        if b"transfer-encoding: chunked" in head:
            return _end_of_chunks(received, body)
        return body

    def name_error(self, answer: bytes) -> str:
        """Return the status where it is not 200."""
        status = answer[9:12].decode("latin-1")
        return ANSWERED if status == "200" else f"status {status}"


def _end_of_chunks(received: bytes, at: int) -> int:
    while True:
        line_end = received.find(b"\r\n", at)
        if line_end < 0:
            return 0
        size = int(received[at:line_end].split(b";", 1)[0], 16)
        at = line_end + 2 + size + 2
        if len(received) < at:
            return 0
        if size == 0:
            return at


class Postgres(Framing):
    """PostgreSQL's protocol 3.0 (its documentation, section "Frontend/Backend Protocol"), one prepared statement."""

    def __init__(self, statement: str, *, user: str, database: str) -> None:
        """Prepare what each connection begins with.

        Args:
            statement: SQL with parameters ``$1``, ``$2``.
            user: whom the server trusts.
            database: its name.
        """
        names = f"user\0{user}\0database\0{database}\0\0".encode()
        startup = struct.pack("!ii", 8 + len(names), 196608) + names
        parse = b"\0" + statement.encode() + b"\0" + struct.pack("!h", 0)
        self.greeting = (startup, _message(b"P", parse) + _message(b"S", b""))

    @staticmethod
    def bind(text: str, vector: bytes) -> bytes:
        """Return a request: the statement with a text and a vector in pgvector's binary form, its rows as texts."""
        encoded = text.encode()
        parameters = struct.pack("!hhhh", 2, 0, 1, 2)  # two formats: a text, a binary value; two values
        parameters += struct.pack("!i", len(encoded)) + encoded + struct.pack("!i", len(vector)) + vector
        bound = b"\0\0" + parameters + struct.pack("!h", 0)
        return _message(b"B", bound) + _message(b"E", b"\0" + struct.pack("!i", 0)) + _message(b"S", b"")

    def find_end(self, received: bytes) -> int:
        """Return where the message ``ReadyForQuery`` ends."""
        at = 0
        while len(received) >= at + 5:
            (length,) = struct.unpack_from("!i", received, at + 1)
            end = at + 1 + int(length)
            if len(received) < end:
                return 0
            if received[at : at + 1] == b"Z":
                return end
            at = end
        return 0

    def name_error(self, answer: bytes) -> str:
        """Return ``error`` with the server's message where the answer holds one."""
        for kind, content in read_messages(answer):
            if kind == b"E":
                message = next((field[1:] for field in content.split(b"\0") if field[:1] == b"M"), b"")
                return f"error {message.decode(errors='replace')}".strip()
        return ANSWERED


def read_messages(answer: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each message of a whole answer of PostgreSQL."""
    at = 0
    while at < len(answer):
        (length,) = struct.unpack_from("!i", answer, at + 1)
        yield answer[at : at + 1], answer[at + 5 : at + 1 + length]
        at += 1 + length


def count_rows(answer: bytes) -> int:
    """Return how many rows an answer of PostgreSQL has."""
    return sum(kind == b"D" for kind, _ in read_messages(answer))


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", 4 + len(content)) + content


def encode_vector(vector: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """Return a float32 [dimension] vector as pgvector receives it: dimension, an unused number, big-endian floats."""
    return struct.pack("!hh", len(vector), 0) + vector.astype(">f4").tobytes()


def decode_json(answer: bytes) -> Any:
    """Return the JSON of a whole answer of HTTP, which may have come in chunks."""
    head, _, body = answer.partition(_HEAD_END)
    if b"transfer-encoding: chunked" not in head.lower():
        return json.loads(body)
    parts = []
    while body:
        line, _, body = body.partition(b"\r\n")
        size = int(line.split(b";", 1)[0], 16)
        parts.append(body[:size])
        body = body[size + 2 :]
    return json.loads(b"".join(parts))


def encode_get(path: str, headers: str = "") -> bytes:
    """Return a GET request for a path; headers end with a line break each."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


def drive_wire(port: int, load: Load, messages: Sequence[bytes], framing: Framing) -> Outcome:
    """Make a closed loop at a port of this machine and return what became of each request.

    Args:
        port: where the server listens.
        load: with callers.
        messages: requests, sent in turn and from the first again after the last.
        framing: of the protocol.
    """
    with asyncio.Runner() as runner:
        return runner.run(_Loop(load, messages, framing).run(port))


class _Loop:
    """One load under way."""

    def __init__(self, load: Load, messages: Sequence[bytes], framing: Framing) -> None:
        self.framing = framing
        self._load = load
        self._messages = messages
        self._number = 0
        self._begin = 0.0
        self._sent_s: list[float] = []
        self._done_s: list[float] = []
        self._errors: list[str] = []
        self._answers: list[bytes] = []

    async def run(self, port: int) -> Outcome:
        loop = asyncio.get_running_loop()
        callers = []
        for _ in range(self._load.callers or 1):
            _, caller = await loop.create_connection(lambda: _Caller(self), "127.0.0.1", port)
            callers.append(caller)
        await asyncio.gather(*(caller.greeted for caller in callers))
        cpu, self._begin = time.process_time(), time.monotonic()
        for caller in callers:
            caller.send_next()
        await asyncio.gather(*(caller.finished for caller in callers))
        sent = np.array(self._sent_s)
        return Outcome(
            due_s=sent,
            sent_s=sent,
            done_s=np.array(self._done_s),
            errors=self._errors,
            answers=self._answers,
            cpu_s=time.process_time() - cpu,
            wall_s=time.monotonic() - self._begin,
        )

    def now(self) -> float:
        return time.monotonic() - self._begin

    def next_message(self) -> bytes | None:
        if self.now() >= self._load.total_s:
            return None
        message = self._messages[self._number % len(self._messages)]
        self._number += 1
        return message

    def keep(self, sent_s: float, answer: bytes) -> None:
        self._sent_s.append(sent_s)
        self._done_s.append(self.now())
        self._errors.append(self.framing.name_error(answer))
        if len(self._answers) < SAMPLED_ANSWERS:
            self._answers.append(answer)


class _Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, loop: _Loop) -> None:
        running = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = running.create_future()
        self.finished: asyncio.Future[None] = running.create_future()
        self._loop = loop
        self._greetings = list(loop.framing.greeting)
        self._received = b""
        self._sent_s = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._greet()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        end = self._loop.framing.find_end(self._received)
        if not end:
            return
        answer, self._received = self._received[:end], self._received[end:]
        if self.greeted.done():
            self._loop.keep(self._sent_s, answer)
            self.send_next()
        elif error := self._loop.framing.name_error(answer):
            self._fail(error)
        else:
            self._greet()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")

    def send_next(self) -> None:
        message = self._loop.next_message()
        assert self._transport is not None
        if message is None:
            if not self.finished.done():
                self.finished.set_result(None)
            self._transport.close()
            return
        self._sent_s = self._loop.now()
        self._transport.write(message)

    def _greet(self) -> None:
        assert self._transport is not None
        if self._greetings:
            self._transport.write(self._greetings.pop(0))
        else:
            self.greeted.set_result(None)

    def _fail(self, why: str) -> None:
        for future in (self.greeted, self.finished):
            if not future.done():
                future.set_exception(ConnectionError(why))
