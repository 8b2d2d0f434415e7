"""A filter without some fields: only whole terms at the top are dropped."""

import pytest

from mercato.catalog.field_names import full_name
from mercato.filters import parse_filter
from mercato.requests.facets import drop_fields


@pytest.mark.parametrize(
    ("text", "fields", "left"),
    [
        ('brand: ANY("A")', {"brand"}, None),
        ('brand: ANY("A") AND price < 5', {"brand"}, "price < 5"),
        ('(brand: ANY("A") AND (price < 5 AND size: ANY("S")))', {"attributes.size"}, 'brand: ANY("A") AND price < 5'),
        ('NOT brand: ANY("A") AND price < 5', {"brand"}, "price < 5"),
        ('(brand: ANY("A") OR brand: ANY("B")) AND price < 5', {"brand"}, "price < 5"),
        ('(brand: ANY("A") OR price < 1) AND price < 5', {"brand"}, '(brand: ANY("A") OR price < 1) AND price < 5'),
        ('(brand: ANY("A") OR price < 1) AND price < 5', {"brand", "price"}, None),
        ("price < 5", {"brand"}, "price < 5"),
    ],
)
def test_terms_of_the_fields_alone_are_dropped(text: str, fields: set[str], left: str | None) -> None:
    condition = parse_filter(text)
    rest = drop_fields(condition, fields, full_name)
    if left is None:
        assert rest is None
        return
    assert rest is not None
    if left == text:
        assert rest is condition
    assert rest.expression == parse_filter(left).expression
