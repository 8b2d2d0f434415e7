"""What encoders are compared on: queries, products and, where there are any, people's ratings of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from mercato.models.encoder.tokenizer import TextTokenizer
from mercato_export.errors import ExportError
from mercato_export.options import DEFAULT_TOLERANCE
from mercato_export.quality import SearchQuality

PRODUCTS_FILE = "products.parquet"
RATINGS_FILE = "judgements.parquet"
TEXT_COLUMNS = ("title", "supplier")
# Without ratings: queries are the first words of every third text.
QUERY_EVERY = 3
QUERY_WORDS = 3
# Share of fp32's top ten that has to be found. int8 exchanges products that are nearly alike; how much that costs is
# what the loss of similarity measures.
AGREEMENT: Mapping[str, float] = {"fp16": 0.98, "int8": 0.9}


def compare_on_ratings(
    folder: Path, tokenizer: TextTokenizer, *, product_limit: int = 0, tolerance: float = DEFAULT_TOLERANCE
) -> SearchQuality:
    """Compare encoders by searching products that people have rated.

    Args:
        folder: holds `PRODUCTS_FILE` (id, title, supplier) and `RATINGS_FILE` (query, docid, rating 0 to 3).
        tokenizer: the encoder's.
        product_limit: products to search, at least all that are rated; 0 takes all.
        tolerance: most that nDCG@10 or recall@100 may lose.

    Raises:
        ExportError: a file is missing or lacks a column.
    """
    products = _read(folder / PRODUCTS_FILE, ("id", *TEXT_COLUMNS))
    rated = _read(folder / RATINGS_FILE, ("query", "docid", "rating"))
    wanted = set(map(str, rated["docid"]))
    identifiers = list(map(str, products["id"]))
    texts = [" ".join(filter(None, row)) for row in zip(*(products[name] for name in TEXT_COLUMNS), strict=True)]
    kept = [number for number, identifier in enumerate(identifiers) if identifier in wanted]
    others = [number for number, identifier in enumerate(identifiers) if identifier not in wanted]
    room = len(others) if product_limit == 0 else max(0, min(product_limit - len(kept), len(others)))
    kept += [others[index] for index in np.linspace(0, len(others) - 1, room).astype(int)] if room else []
    # of similar length, so that little of a batch is padding
    kept.sort(key=lambda number: len(texts[number]))
    index_of = {identifiers[number]: index for index, number in enumerate(kept)}
    queries = sorted(set(rated["query"]))
    ratings: dict[int, dict[int, int]] = {number: {} for number in range(len(queries))}
    number_of = {query: number for number, query in enumerate(queries)}
    for query, document, rating in zip(rated["query"], rated["docid"], rated["rating"], strict=True):
        if str(document) in index_of:
            ratings[number_of[query]][index_of[str(document)]] = int(rating)
    return SearchQuality(
        items=_tokenize(tokenizer, queries, [texts[number] for number in kept]),
        query_count=len(queries),
        # a query without a relevant product has no nDCG
        ratings={query: documents for query, documents in ratings.items() if any(documents.values())},
        agreement={},
        tolerance=tolerance,
    )


def compare_on_texts(
    texts: Sequence[str], tokenizer: TextTokenizer, *, tolerance: float = DEFAULT_TOLERANCE
) -> SearchQuality:
    """Compare encoders by the top ten of queries that are the beginnings of texts.

    Args:
        texts: the documents, at least ten.
        tokenizer: the encoder's.
        tolerance: most that the similarity of the top ten may lose.
    """
    queries = sorted({" ".join(text.split()[:QUERY_WORDS]) for text in texts[::QUERY_EVERY]})
    return SearchQuality(
        items=_tokenize(tokenizer, queries, texts),
        query_count=len(queries),
        ratings={},
        agreement=AGREEMENT,
        tolerance=tolerance,
    )


def _tokenize(tokenizer: TextTokenizer, queries: Sequence[str], products: Sequence[str]) -> list[dict[str, Any]]:
    ids = [tokenizer([text], "query")[0] for text in queries]
    ids += [tokenizer([text], "product")[0] for text in products]
    return [{"input_ids": row, "attention_mask": np.ones_like(row)} for row in ids]


def _read(file: Path, columns: Sequence[str]) -> dict[str, list[Any]]:
    try:
        table: dict[str, list[Any]] = pa.parquet.read_table(file, columns=list(columns)).to_pydict()
    except (OSError, pa.ArrowException) as exc:
        raise ExportError(f"--ratings: {file} cannot be read: {exc}") from exc
    missing = [name for name in columns if name not in table]
    if missing:
        raise ExportError(f"--ratings: {file} lacks the columns {', '.join(missing)}")
    return table
