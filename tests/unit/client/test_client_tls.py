"""Encrypted connections with certificates made for the test."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mercato_client import InvalidArgumentError, Tls, UnavailableError


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates that last an hour."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
        certificate = self._build(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.path = self._write("ca", certificate, self._key).certificate

    def issue(self, name: str, *alternatives: x509.GeneralName) -> Identity:
        """Issue a certificate for a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._build(subject, key)
        if alternatives:
            certificate = certificate.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return self._write(name, certificate, key)

    def _build(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )

    def _write(self, name: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Identity:
        identity = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        certificate = builder.sign(self._key, hashes.SHA256())
        identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return identity


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def local(authority):
    """The identity of a server at 127.0.0.1."""
    return authority.issue("local", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.fixture(scope="module")
def named(authority):
    """The identity of a server that is called by a name."""
    return authority.issue("named", x509.DNSName("mercato.test"))


def _credentials(identity, client_authority=None):
    return grpc.ssl_server_credentials(
        [(identity.key.read_bytes(), identity.certificate.read_bytes())],
        root_certificates=client_authority and client_authority.path.read_bytes(),
        require_client_auth=client_authority is not None,
    )


def test_a_server_of_a_trusted_authority(start_triton, connect, authority, local):
    server = start_triton(credentials=_credentials(local))
    client = connect(server.address, tls=Tls(ca_path=authority.path), headers={"authorization": "Bearer x"})
    assert client.search("kettle").total == 2
    assert client.health().ok
    assert server.received[0].headers["authorization"] == "Bearer x"


def test_a_server_of_an_unknown_authority(start_triton, connect, local):
    server = start_triton(credentials=_credentials(local))
    with pytest.raises(UnavailableError, match="no server takes the call"):
        connect(server.address, tls=Tls()).search("kettle")
    assert server.received == []


def test_clear_text_to_an_encrypted_server(start_triton, connect, local):
    server = start_triton(credentials=_credentials(local))
    with pytest.raises(UnavailableError):
        connect(server.address).search("kettle")


def test_a_server_of_another_name(start_triton, connect, authority, named):
    server = start_triton(credentials=_credentials(named))
    with pytest.raises(UnavailableError):
        connect(server.address, tls=Tls(ca_path=authority.path)).search("kettle")
    client = connect(server.address, tls=Tls(ca_path=authority.path, server_name="mercato.test"))
    assert client.search("kettle").total == 2


def test_several_servers_of_one_name(start_triton, connect, authority, named):
    servers = [start_triton(credentials=_credentials(named)) for _ in range(2)]
    tls = Tls(ca_path=authority.path, server_name="mercato.test")
    assert connect([server.address for server in servers], tls=tls).search("kettle").total == 2


def test_a_server_that_asks_who_the_client_is(start_triton, connect, authority, local):
    server = start_triton(credentials=_credentials(local, client_authority=authority))
    with pytest.raises(UnavailableError):
        connect(server.address, tls=Tls(ca_path=authority.path)).search("kettle")
    shop = authority.issue("shop")
    tls = Tls(ca_path=authority.path, certificate_path=str(shop.certificate), key_path=str(shop.key))
    assert connect(server.address, tls=tls).search("kettle").total == 2


def test_a_file_that_is_no_certificate(connect, tmp_path):
    path = tmp_path / "der.crt"
    path.write_bytes(b"\x30\x82")
    with pytest.raises(
        InvalidArgumentError, match=r"must be a readable PEM file, is .*der.crt' \(nothing in it is PEM\)"
    ):
        connect(tls=Tls(ca_path=path))
