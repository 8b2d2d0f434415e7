"""`mercato dense`: the vector database that finds texts in the place of a snapshot's own index."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mercato.cli.output import Output

dense_app = typer.Typer(
    help="Milvus in the place of the snapshot's own vectors: fill it, check it.", no_args_is_help=True
)
_ANSWER_S = 30.0
_LOAD_EPILOG = "Example: mercato dense load --catalog var/demo/catalog --dense milvus://127.0.0.1:19530/shop"

_Catalog = Annotated[Path, typer.Option(help="Catalogue snapshot, made by `mercato index`.")]
_Address = Annotated[
    str, typer.Option("--dense", help="milvus://HOST[:PORT]/COLLECTION, or milvus+tls:// over TLS, as of `serve`.")
]
_Credentials = Annotated[
    Path | None, typer.Option("--dense-credentials", help="File: USER:PASSWORD or a key; else MERCATO_DENSE_TOKEN.")
]
_Certificates = Annotated[Path | None, typer.Option("--dense-ca", help="Certificates (PEM) to check its own with.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@dense_app.command("load", epilog=_LOAD_EPILOG)
def load(
    catalog: _Catalog,
    address: _Address,
    credentials: _Credentials = None,
    ca: _Certificates = None,
    drop_others: Annotated[
        bool, typer.Option("--drop-others", help="Drop the collections of this shop's other snapshots afterwards.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """Fill the collection of a snapshot: its vectors, and what filters ask of them.

    Each snapshot has a collection of its own, COLLECTION and its fingerprint: fill the next one, then restart the
    servers on the new snapshot, then drop the others. One that is whole is left as it is.
    """
    output = Output(as_json=as_json)
    with output.handle_errors():
        output.finish(_load(catalog, address, credentials, ca, output, drop_others=drop_others))


@dense_app.command("check")
def check(
    catalog: _Catalog,
    address: _Address,
    credentials: _Credentials = None,
    ca: _Certificates = None,
    as_json: _AsJson = False,
) -> None:
    """Check that the collection of a snapshot is there, whole, indexed and loaded, as `mercato serve` does at start."""
    from mercato.index.manifest import read_manifest
    from mercato.milvus.address import parse_address
    from mercato.milvus.collection import check_collection, name_collection

    output = Output(as_json=as_json)
    with output.handle_errors():
        manifest = read_manifest(catalog.resolve())
        client, place = _connect(address, credentials, ca), parse_address(address)
        check_collection(client, place, manifest, timeout_s=_ANSWER_S)
        output.finish({"collection": name_collection(place, manifest), "texts": manifest.texts})


def _load(
    catalog: Path,
    address: str,
    credentials: Path | None,
    ca: Path | None,
    output: Output,
    *,
    drop_others: bool,
) -> dict[str, Any]:
    from mercato.index.snapshot import Snapshot
    from mercato.milvus.address import parse_address
    from mercato.milvus.load import load_snapshot

    started = time.monotonic()
    client, snapshot = _connect(address, credentials, ca), Snapshot(catalog)
    with output.progress() as report:
        loaded = load_snapshot(client, parse_address(address), snapshot, report, drop_others=drop_others)
    return {**loaded, "dropped": ", ".join(loaded["dropped"]), "seconds": round(time.monotonic() - started, 1)}


def _connect(address: str, credentials: Path | None, ca: Path | None) -> Any:
    from mercato.milvus.address import parse_address, read_token
    from mercato.milvus.connection import connect

    return connect(parse_address(address), token=read_token(credentials, os.environ), ca=ca, timeout_s=_ANSWER_S)
