"""Ratings, likes, resets and what is forgotten, as events that are sent and as columns of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mercato.errors import InvalidInputError
from mercato.events.event import parse_event
from mercato.events.read_events import ReadReport, parse_event_mapping, read_events
from mercato.events.write_events import to_documents

NOW = 1_800_000_000.0


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], ReadReport]:
    report = ReadReport()
    batches = list(read_events(path, now=NOW, report=report, **options))
    return [document for batch in batches for document in to_documents(batch)], report


@pytest.mark.parametrize(("rating", "hundredths"), [(1, 100), (5, 500), (4.5, 450), (3.333, 333)])
def test_a_rating_is_kept_in_hundredths_of_a_star(rating: float, hundredths: int) -> None:
    event = parse_event({"event_type": "rating", "user_id": "u", "product_id": "p", "rating": rating}, now=NOW)
    assert event.quantity == hundredths


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rating": 7}, r"rating: must be a number in 1\.\.5, got 7; 1 is worst and 5 best; scale others to that"),
        ({"rating": 0}, r"rating: must be a number in 1\.\.5, got 0"),
        ({"rating": float("nan")}, "rating: must be finite"),
        ({"rating": "5"}, "rating: must be a number, got str"),
        ({"rating": True}, "rating: must be a number, got bool"),
        ({}, r"rating: must be given for rating, a number in 1\.\.5, got none; .* send like or dislike"),
        ({"rating": 5, "statement": "view"}, "statement: is for events of type forget, got rating; leave it out"),
    ],
)
def test_a_rating_that_is_none(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_event({"event_type": "rating", "user_id": "u", "product_id": "p", **fields}, now=NOW)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"event_type": "purchase-complete", "product_id": "p", "rating": 5}, "rating: is for events of type rating"),
        ({"event_type": "reset", "product_id": "p"}, "product_id: must not be given for reset, got 'p'; send forget"),
        ({"event_type": "forget"}, "product_id: must be given for forget"),
        ({"event_type": "forget", "product_id": "p", "statement": "all"}, "statement: must be one of taste, purchase"),
        ({"event_type": "dislike", "product_id": "p", "quantity": -1}, "quantity: must be a whole number in 1"),
    ],
)
def test_what_is_said_wrongly_is_refused(event: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_event({"user_id": "u", **event}, now=NOW)


def test_a_forgotten_statement_is_kept_by_its_number() -> None:
    forget = {"event_type": "forget", "user_id": "u", "product_id": "p"}
    assert [parse_event(forget | given, now=NOW).quantity for given in ({}, {"statement": "view"})] == [1, 4]


def test_ratings_of_a_file_are_in_a_column_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text(
        "user_id,product_id,stars,when\nu,p,5,2024-05-01\nu,q,7,2024-05-01\nu,r,,2024-05-01\nu,s,2.5,2024-05-01\n"
    )
    mapping = parse_event_mapping(["rating=stars", "time=when"])
    documents, report = read(path, mapping=mapping, default_event_type="rating")
    assert [(one["product_id"], one["rating"]) for one in documents] == [("p", 5.0), ("s", 2.5)]
    assert [row.position for row in report.shown] == [3, 4]
    assert "rating: must be a number in 1..5, got 7" in report.shown[0].reason
    assert "rating: must be given for rating" in report.shown[1].reason


def test_stars_beside_purchases_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("event_type,user_id,product_id,rating,time\npurchase,u,p,9,2024-05-01\nrated,u,p,4,2024-05-02\n")
    documents, report = read(path)
    assert [(one["event_type"], one.get("rating"), one.get("quantity")) for one in documents] == [
        ("purchase-complete", None, 1),
        ("rating", 4.0, None),
    ]
    assert not report.rejected
