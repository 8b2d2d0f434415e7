"""The queries of the nine shops: each shop has twenty of both sorts, and none is of both."""

from benchmarks.search.small_shops import FOREIGN, SHOPS, SOLD, read_queries


def test_every_shop_is_asked_twenty_of_both_sorts() -> None:
    queries = read_queries()
    assert list(queries) and set(queries) == set(SHOPS)
    for shop, asked in queries.items():
        assert {sort: len(set(asked[sort])) for sort in asked} == {SOLD: 20, FOREIGN: 20}, shop
        assert not set(asked[SOLD]) & set(asked[FOREIGN]), shop
