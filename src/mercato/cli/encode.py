"""`mercato encode`: vectors of a product file's texts, a shard at a time, for `mercato index --vectors`."""

from __future__ import annotations

import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from mercato.catalog.product import TEXT_FIELDS
from mercato.catalog.shop_formats import FORMAT_NAMES
from mercato.cli.index import parse_fields
from mercato.cli.output import Output
from mercato.cli.product_file import Reading, collector_relaxed, describe, open_file, read_file
from mercato.errors import DataError, InvalidInputError

EPILOG = "Example: mercato encode products.parquet --map title=name --shard 2/8 --out vectors"


class Engine(StrEnum):
    """What runs the shards."""

    LOCAL = "local"
    RAY = "ray"


def encode(
    products: Annotated[
        Path, typer.Argument(help="Products: CSV, JSON, XML or Parquet, also .gz or .zip (docs/feeds.md).")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the vectors; shards may share one.")],
    shard: Annotated[str, typer.Option(help="Which part of the texts: I/N, each I from 1 to N once.")] = "1/1",
    mapping: Annotated[list[str] | None, typer.Option("--map", help="field=column, repeatable.")] = None,
    format_name: Annotated[
        str, typer.Option("--format", help=f"Shop system that wrote the file: {', '.join(FORMAT_NAMES)}.")
    ] = "auto",
    group_by: Annotated[str, typer.Option(help="Column whose value is the same in all rows of one product.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of a text file, where it is not found right.")] = "",
    encoder: Annotated[Path, typer.Option(help="Folder of the exported encoder.")] = Path("var/models/encoder"),
    encode: Annotated[str, typer.Option(help="Fields whose text is encoded, in order.")] = ",".join(TEXT_FIELDS),
    engine: Annotated[
        Engine,
        typer.Option(help="This process, or Ray for all shards (mercato[ray]; RAY_ADDRESS: a cluster)."),
    ] = Engine.LOCAL,
    shards: Annotated[int, typer.Option(help="With --engine ray: how many, each a task of one core.", min=1)] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Encode a part of a product file's texts.

    `mercato index --vectors FOLDER` takes the vectors; texts that none of its folders has it encodes itself. Give both
    commands the same options for reading the file, the same encoder and the same --encode. Run again, a shard encodes
    what it lacks. On a cluster of Ray the file, the encoder and --out must be where every machine sees them.
    """
    output = Output(as_json=as_json)
    reading = Reading(mapping=mapping or [], format_name=format_name, group_by=group_by, encoding=encoding)
    with output.handle_errors():
        if out.exists() and not out.is_dir():
            raise DataError(f"--out {out}: is a file; give a folder for the vectors")
        if engine is Engine.RAY:
            if shard != "1/1":
                raise InvalidInputError("--shard", "is one shard; with --engine ray give --shards, how many")
            work = partial(encode_for_ray, products.resolve(), out.resolve(), reading, encoder.resolve(), encode)
            output.finish(_encode_on_ray(work, shards, output))
        else:
            output.finish(_encode(products, out, shard, reading, encoder, encode, output))


def encode_for_ray(source: Path, out: Path, reading: Reading, encoder: Path, fields: str, shard: str) -> dict[str, Any]:
    """Encode one shard with one core, as a task of Ray."""
    return _encode(source, out, shard, reading, encoder, fields, Output(as_json=True), workers=1)


def _encode_on_ray(work: partial[dict[str, Any]], shards: int, output: Output) -> dict[str, Any]:
    from mercato.indexing.ray_engine import run_on_ray

    started = time.monotonic()
    with output.progress() as report:
        done = run_on_ray(work, [f"{number}/{shards}" for number in range(1, shards + 1)], progress=report)
    return {
        "vectors": [one["vectors"] for one in done],
        "shards": shards,
        "texts": sum(one["texts"] for one in done),
        "of": done[0]["of"],
        "encoder": done[0]["encoder"],
        "seconds": round(time.monotonic() - started, 1),
    }


def _encode(
    source: Path,
    out: Path,
    shard: str,
    reading: Reading,
    encoder_folder: Path,
    fields: str,
    output: Output,
    workers: int = 0,
) -> dict[str, Any]:
    from mercato.indexing.encode import count_workers
    from mercato.indexing.encoded_shards import Shard, encode_shard
    from mercato.models.encoder.onnx_encoder import OnnxEncoder

    started = time.monotonic()
    part, names = Shard.parse(shard), parse_fields(fields)
    model = OnnxEncoder(encoder_folder)
    file = open_file(source, reading)
    describe(file, output)
    rows, _ = read_file(file, reading, output)
    with output.progress() as report, collector_relaxed():
        texts = list(dict.fromkeys(product.text(names) for product in rows))
        written = encode_shard(texts, part, model, out, workers=workers or count_workers(), progress=report)
    return {
        "vectors": str(out / part.name),
        "shard": f"{part.number}/{part.of}",
        "texts": written.texts,
        "of": len(texts),
        "encoder": written.encoder,
        "seconds": round(time.monotonic() - started, 1),
    }
