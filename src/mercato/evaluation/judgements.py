"""Ratings of products for queries, from somebody's file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mercato.errors import DataError
from mercato.evaluation.table import FieldSpec, parse_column_map, read_fields, read_texts
from mercato.events.raw_columns import to_numbers
from mercato.incoming import Rejected, RowReport

MAX_RATING = 20
"""Highest rating: with the gain 2 ** rating - 1 one product of 20 outweighs a million of 1."""

JUDGEMENT_FIELDS = (
    FieldSpec(name="query", likely=("search_term", "query_text", "search_query", "keyword", "keywords", "term", "q")),
    FieldSpec(name="docid", likely=("product_id", "doc_id", "document_id", "item_id", "sku", "id", "product", "asin")),
    FieldSpec(name="rating", likely=("relevance", "grade", "label", "judgement", "judgment", "score", "rel")),
    FieldSpec(name="user_id", likely=("user", "customer_id"), required=False),
)


@dataclass(kw_only=True)
class Judgements(RowReport):
    """What people said about products for queries.

    Attributes:
        ratings: query -> product id -> rating, 0 to `MAX_RATING`, higher is better; queries in the order of the file.
            A query that nobody has rated a product for is there with nothing in it. Where ratings are those of a
            user, the key is the query with the user: ``tea [user 7]``.
        users: key -> (query, user), where ratings are those of a user.
        repeated: rows that say again what an earlier one said.
        contradicted: rows that rate a product again, differently; the first rating counts.
    """

    ratings: dict[str, dict[str, int]] = field(default_factory=dict)
    users: dict[str, tuple[str, str]] = field(default_factory=dict)
    repeated: int = 0
    contradicted: int = 0

    @property
    def queries(self) -> list[str]:
        """The distinct queries, in the order of the file."""
        return list(self.ratings)

    @property
    def products(self) -> set[str]:
        """Every product that was rated."""
        return {product for rated in self.ratings.values() for product in rated}

    @property
    def pairs(self) -> int:
        """How many distinct pairs of query and product were rated."""
        return sum(map(len, self.ratings.values()))

    @property
    def levels(self) -> tuple[int, ...]:
        """The distinct ratings, ascending."""
        return tuple(sorted({rating for rated in self.ratings.values() for rating in rated.values()}))


def parse_judgement_map(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``--map`` of judgements: ``query=...``, ``docid=...``, ``rating=...``.

    Raises:
        InvalidInputError: as `parse_column_map`.
    """
    return parse_column_map(pairs, JUDGEMENT_FIELDS)


def read_judgements(path: Path, column_map: Mapping[str, str] | None = None) -> Judgements:
    """Read ratings: a row for each query and product.

    Columns are ``query``, ``docid`` and ``rating``, or as mapped; others are ignored. Ids may be numbers. A row with
    a query alone names a query that nobody has rated.

    Args:
        path: Parquet, CSV or JSON lines.
        column_map: field -> column, as from `parse_judgement_map`.

    Returns:
        The ratings; bad rows are left out and counted.

    Raises:
        DataError: the file cannot be read, lacks a column (with those there are), or holds no query.
    """
    judgements = Judgements()
    for line, text, user, product, rating, given in _read_rows(path, column_map or {}, judgements):
        if text is None:
            judgements.reject(Rejected(line, "query: must be given and not be blank"))
            continue
        query = text if user is None else f"{text} [user {user}]"
        if user is not None:
            judgements.users[query] = (text, user)
        if product is None and not given:
            judgements.ratings.setdefault(query, {})
            continue
        reason = _check_rating(rating) if product is not None else "docid: must be given with a rating"
        if product is None or reason:
            judgements.reject(Rejected(line, reason))
            continue
        rated = judgements.ratings.setdefault(query, {})
        if product not in rated:
            rated[product] = int(rating)
        elif rated[product] == int(rating):
            judgements.repeated += 1
        else:
            judgements.contradicted += 1
    if not judgements.ratings:
        first = f"; line {judgements.shown[0].position}: {judgements.shown[0].reason}" if judgements.shown else ""
        raise DataError(
            f"{path.name} holds no ratings ({judgements.rows:,} rows, {judgements.rejected:,} of them bad{first});"
            " it needs a query, a product and a rating in each row"
        )
    return judgements


def _read_rows(
    path: Path, column_map: Mapping[str, str], judgements: Judgements
) -> Iterator[tuple[int, str | None, str | None, str | None, float, bool]]:
    """Give line, query, user, product, rating and whether a rating is given; count rows and those that are no rows."""
    for batch in read_fields(path, JUDGEMENT_FIELDS, column_map):
        for rejected in batch.rejected:
            judgements.rows += 1
            judgements.reject(rejected)
        judgements.rows += len(batch.lines)
        ratings, given = to_numbers(batch.columns["rating"])
        yield from zip(
            batch.lines.tolist(),
            read_texts(batch.columns["query"]),
            read_texts(batch.columns["user_id"]) if "user_id" in batch.columns else [None] * len(batch.lines),
            read_texts(batch.columns["docid"]),
            ratings.tolist(),
            given.tolist(),
            strict=True,
        )


def _check_rating(rating: float) -> str:
    """Return why a number is no rating, empty where it is one."""
    if not np.isfinite(rating):
        return "rating: must be a number"
    if not (0 <= rating <= MAX_RATING and rating == int(rating)):
        return f"rating: must be a whole number from 0 to {MAX_RATING}, got {rating:g}; scale it, for example to 0..3"
    return ""
