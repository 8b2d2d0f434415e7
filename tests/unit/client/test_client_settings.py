"""Settings that cannot work are refused when a client is made, with what to do instead."""

import math

import pytest
from mercato_client import InvalidArgumentError, Retries, Timeouts, Tls


@pytest.mark.parametrize(
    ("servers", "target"),
    [
        ("localhost:8001", "localhost:8001"),
        ("[::1]:8001", "[::1]:8001"),
        ("dns:///mercato.shop:8001", "dns:///mercato.shop:8001"),
        ("unix:///run/mercato.sock", "unix:///run/mercato.sock"),
        (["mercato:8001"], "mercato:8001"),
        (("10.0.0.1:8001", "10.0.0.2:8002"), "ipv4:10.0.0.1:8001,10.0.0.2:8002"),
        (["[::1]:8001", "[fd00::2]:8001"], "ipv6:[::1]:8001,[fd00::2]:8001"),
    ],
)
def test_servers(connect, servers, target):
    assert connect(servers).target == target


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ("localhost", "servers: holds 'localhost', not HOST:PORT; add the gRPC port, usually 8001"),
        ("localhost:", "holds 'localhost:', not HOST:PORT"),
        ("localhost:70000", "holds 'localhost:70000', not HOST:PORT"),
        (":8001", "holds ':8001', not HOST:PORT"),
        ("http://localhost:8000", "is 'http://localhost:8000', an URL; give HOST:PORT of the gRPC port"),
        ([], "is an empty list; give at least one HOST:PORT"),
        (["a:8001", "b:8001"], "holds 'a:8001', which is not a literal IP address; .* dns:///HOST:PORT"),
        (["127.0.0.1:8001", "[::1]:8001"], "mixes IPv4 and IPv6"),
        (["127.0.0.1:8001", "127.0.0.1"], "holds '127.0.0.1', not HOST:PORT"),
    ],
)
def test_servers_that_cannot_be(connect, servers, message):
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        connect(servers)
    assert caught.value.parameter == "servers"


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: Timeouts(read_s=0), "read_s"),
        (lambda: Timeouts(write_s=-1), "write_s"),
        (lambda: Timeouts(health_s=math.nan), "health_s"),
        (lambda: Retries(attempts=0), "attempts"),
        (lambda: Retries(attempts=6), "attempts"),
        (lambda: Retries(initial_backoff_s=0.001), "initial_backoff_s"),
        (lambda: Retries(max_backoff_s=math.inf), "max_backoff_s"),
        (lambda: Tls(certificate_path="c.pem"), "key_path"),
        (lambda: Tls(key_path="k.pem"), "certificate_path"),
    ],
)
def test_values_are_checked_when_made(make, parameter):
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: must be") as caught:
        make()
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"a b": "c"}, "'a b' is not a name"),
        ({"grpc-timeout": "1S"}, "'grpc-timeout' is not a name"),
        ({"key-bin": "c"}, "'key-bin' is not a name"),
        ({"": "c"}, "'' is not a name"),
        ({"authorization": "Bearer x\n"}, "the value of 'authorization' must be printable ASCII"),
        ({"authorization": "clé"}, "the value of 'authorization' must be printable ASCII"),
    ],
)
def test_headers_that_cannot_be_sent(connect, headers, message):
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        connect(headers=headers)
    assert "Bearer" not in str(caught.value)
    assert "clé" not in str(caught.value)


def test_tls_files_must_be_readable(connect, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"tls.ca_path: must be a readable PEM file, is .*absent.pem"):
        connect(tls=Tls(ca_path=tmp_path / "absent.pem"))
