"""Where a Milvus is, and how it is spoken to."""

from pathlib import Path

import pytest

from mercato.errors import InvalidInputError
from mercato.milvus.address import parse_address, read_token


def test_an_address_names_host_port_and_collection() -> None:
    address = parse_address("milvus://vectors.example:19531/shop")
    assert (address.host, address.port, address.collection, address.tls) == ("vectors.example", 19531, "shop", False)
    assert address.uri == "http://vectors.example:19531"


def test_the_port_is_milvus_own_unless_another_is_named() -> None:
    assert parse_address("milvus+tls://vectors.example/shop").uri == "https://vectors.example:19530"


def test_an_address_may_be_a_number_of_version_six() -> None:
    assert parse_address("milvus://[::1]:7/shop").uri == "http://[::1]:7"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://host/shop", "must begin with one of milvus, milvus+tls"),
        ("milvus://host", "must name a host and a collection"),
        ("milvus://host/", "must name a host and a collection"),
        ("milvus:///shop", "must name a host and a collection"),
        ("milvus://host/a/b", "must name a host and a collection"),
        ("milvus://host/9lives", "must name a host and a collection"),
        ("milvus://host/shop?ef=9", "must name a host and a collection"),
        ("milvus://host:port/shop", "is no address"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said.replace("+", r"\+")) as failure:
        parse_address(text)
    assert "milvus://HOST:PORT/COLLECTION" in str(failure.value)


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInputError, match="--dense-credentials") as failure:
        parse_address("milvus://root:s3cret@host/shop")
    assert "s3cret" not in str(failure.value)


def test_credentials_come_from_the_file_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("root:s3cret\nwhatever else\n")
    environment = {"MERCATO_DENSE_TOKEN": " key "}
    assert read_token(file, environment) == "root:s3cret"
    assert read_token(None, environment) == "key"
    assert read_token(None, {}) == ""


def test_a_file_without_credentials_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(InvalidInputError, match="begins with an empty line"):
        read_token(tmp_path / "empty", {})
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_token(tmp_path / "missing", {})
