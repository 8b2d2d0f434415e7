"""Servers and clients for the tests of the client; every test that asks for ``connect`` runs with both clients."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mercato_client import AsyncClient, Client

from tests.unit.client.canned_triton import CannedTriton

Connect = Callable[..., Any]


class Awaited:
    """An ``AsyncClient`` whose methods are called like those of ``Client``, in an event loop of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._client = AsyncClient(*args, **kwargs)
        self._runner = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value
        return lambda *args, **kwargs: self._runner.run_until_complete(value(*args, **kwargs))

    def __repr__(self) -> str:
        return repr(self._client)

    def dispose(self) -> None:
        """Close the client and the loop."""
        self._runner.run_until_complete(self._client.close())
        self._runner.close()


@pytest.fixture
def start_triton() -> Iterator[Callable[..., CannedTriton]]:
    """Starts servers that end with the test."""
    servers: list[CannedTriton] = []

    def start(**kwargs: Any) -> CannedTriton:
        servers.append(CannedTriton().start(**kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def triton(start_triton: Callable[..., CannedTriton]) -> CannedTriton:
    """One server."""
    return start_triton()


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients, sync or asyncio, that block alike and end with the test."""
    clients: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> Any:
        clients.append(Client(*args, **kwargs) if request.param == "sync" else Awaited(*args, **kwargs))
        return clients[-1]

    yield make
    for client in clients:
        if isinstance(client, Awaited):
            client.dispose()
        else:
            client.close()
