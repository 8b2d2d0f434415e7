"""Facets as a request has them: what may be asked, and what a bad one is told."""

import math
from typing import Any

import pytest

from mercato.errors import InvalidInputError
from mercato.requests.facets import FacetSpec, Interval, parse_facets


def test_a_key_alone_has_defaults() -> None:
    assert parse_facets(["brand"]) == (FacetSpec(key="brand", limit=20),)
    assert parse_facets(None) == parse_facets([]) == ()


def test_every_member_is_read() -> None:
    [facet] = parse_facets(
        [
            {
                "key": "price",
                "limit": 5,
                "intervals": [{"maximum": 10}, {"exclusive_minimum": 10, "exclusive_maximum": 20.5}],
                "excluded_filter_keys": ["brand"],
                "order_by": "value",
            }
        ]
    )
    assert facet == FacetSpec(
        key="price",
        limit=5,
        intervals=(
            Interval(lower=-math.inf, upper=10.0, upper_inclusive=True),
            Interval(lower=10.0, upper=20.5, lower_inclusive=False, upper_inclusive=False),
        ),
        excluded_filter_keys=("brand",),
        order_by="value",
    )
    assert parse_facets([facet.as_json()]) == (facet,), "what is written is read back"


REFUSALS: list[tuple[Any, str, str]] = [
    ("brand", "OPTIONS.facets", "must be a list of at most 100 facets, got str"),
    (["f"] * 101, "OPTIONS.facets", "got 101"),
    ([5], "OPTIONS.facets[0]", "must be a key or an object, got int"),
    (["brand", {"key": "brand"}], "OPTIONS.facets", "each key once, got 'brand' twice"),
    ([{"key": "brand", "top": 5}], "OPTIONS.facets[0]", "knows key, limit, intervals"),
    ([{}], "OPTIONS.facets[0].key", "must be the name of a field"),
    ([""], "OPTIONS.facets[0].key", "got ''"),
    ([{"key": "k" * 3_014}], "OPTIONS.facets[0].key", "1 to 3,013 characters"),
    (["ok", {"key": "brand", "limit": 0}], "OPTIONS.facets[1].limit", "must be between 1 and 10000, got 0"),
    ([{"key": "brand", "limit": 10_001}], "OPTIONS.facets[0].limit", "got 10001"),
    ([{"key": "brand", "limit": True}], "OPTIONS.facets[0].limit", "got True"),
    ([{"key": "brand", "order_by": "size"}], "OPTIONS.facets[0].order_by", "one of count, value, got 'size'"),
    ([{"key": "p", "intervals": {}}, "q"], "", ""),
    ([{"key": "p", "intervals": [5]}], "OPTIONS.facets[0].intervals[0]", "must be an object with minimum"),
    ([{"key": "p", "intervals": [{"min": 5}]}], "OPTIONS.facets[0].intervals[0]", "must be an object with minimum"),
    ([{"key": "p", "intervals": [{}] * 31}], "OPTIONS.facets[0].intervals", "a list of at most 30"),
    (
        [{"key": "p", "intervals": [{"minimum": 5, "maximum": 4}]}],
        "OPTIONS.facets[0].intervals[0]",
        "minimum 5 is above the maximum 4; exchange them",
    ),
    (
        [{"key": "p", "intervals": [{"minimum": 5, "exclusive_minimum": 4}]}],
        "OPTIONS.facets[0].intervals[0]",
        "minimum or exclusive_minimum, not both",
    ),
    ([{"key": "p", "intervals": [{"minimum": "5"}]}], "OPTIONS.facets[0].intervals[0].minimum", "must be a number"),
    ([{"key": "p", "excluded_filter_keys": "brand"}], "OPTIONS.facets[0].excluded_filter_keys", "must be a list"),
    ([{"key": "p", "excluded_filter_keys": [5]}], "OPTIONS.facets[0].excluded_filter_keys", "the name of a field"),
]


@pytest.mark.parametrize(("value", "parameter", "says"), REFUSALS, ids=lambda value: str(value)[:50])
def test_a_bad_facet_is_told_what_is_wrong(value: Any, parameter: str, says: str) -> None:
    if not parameter:
        assert len(parse_facets(value)) == 2, "an empty object of intervals is as none"
        return
    with pytest.raises(InvalidInputError) as caught:
        parse_facets(value)
    assert caught.value.parameter == parameter
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400
