"""Options that more than one command of `mercato train` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CatalogOption = Annotated[Path, typer.Option(help="Snapshot, as mercato index wrote it.")]
EncoderOption = Annotated[Path, typer.Option("--encoder", help="Exported encoder that the snapshot was built with.")]
JudgementsOption = Annotated[Path | None, typer.Option(help="Ratings of searches: parquet, csv or jsonl.")]
RatingMapOption = Annotated[
    list[str] | None, typer.Option("--map", help="Columns of --judgements, as rating=grade; repeatable.")
]
SearchStateOption = Annotated[str | None, typer.Option(help="Where searches, clicks and purchases are: sqlite:PATH.")]
SeedOption = Annotated[int, typer.Option(help="Of every draw; the same seed gives the same network.", min=0)]
ThreadsOption = Annotated[int, typer.Option(help="Threads of PyTorch.", min=1)]
MetricsOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, the metrics, only.")]
