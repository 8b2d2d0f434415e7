import os
import socket

import pytest

from mercato.errors import ServerError
from mercato.serving.ports import Ports, reserve_ports

HOST = "127.0.0.1"


def test_zero_picks_free_ports_that_differ() -> None:
    ports = reserve_ports(HOST, Ports(grpc=0, http=0, metrics=0))
    assert len({ports.grpc, ports.http, ports.metrics}) == 3
    for port in (ports.grpc, ports.http, ports.metrics):
        socket.create_server((HOST, port)).close()


def test_fixed_ports_are_kept() -> None:
    free = reserve_ports(HOST, Ports(grpc=0, http=0, metrics=0))
    assert reserve_ports(HOST, free) == free


@pytest.mark.parametrize(
    ("name", "option"), [("grpc", "--port"), ("http", "--http-port"), ("metrics", "--metrics-port")]
)
def test_port_in_use_names_the_port_its_owner_and_the_option(name: str, option: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError) as caught:
            reserve_ports(HOST, Ports(**{"grpc": 0, "http": 0, "metrics": 0, name: port}))
    message = str(caught.value)
    assert message.startswith(f"port {port}: already in use on {HOST} by process {os.getpid()}")
    assert f"choose another for {name} with {option} (0 picks a free one)" in message


def test_one_port_for_two_services_is_refused() -> None:
    with pytest.raises(ServerError, match="must differ, given grpc 9000, http 9000, metrics 9001"):
        reserve_ports(HOST, Ports(grpc=9000, http=9000, metrics=9001))


def test_address_of_another_machine_is_refused() -> None:
    # 192.0.2.0/24 is reserved for documentation (RFC 5737).
    with pytest.raises(ServerError, match=r"host 192\.0\.2\.1: cannot listen there .*--host"):
        reserve_ports("192.0.2.1", Ports(grpc=0, http=0, metrics=0))
