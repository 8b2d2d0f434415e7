"""The benchmarks' requests are real and the same in every run."""

import re

from benchmarks.harness import workload


def test_queries_are_distinct_texts_of_the_store_as_typed() -> None:
    queries = workload.list_queries()
    assert len(queries) == len(set(queries)) > 2000
    assert all(re.fullmatch(r"[a-z0-9&%'][a-z0-9&%' ]*", query) for query in queries)
    assert sum(" " in query for query in queries) > len(queries) / 2
    assert workload.NOTHING.isdisjoint(queries)


def test_categories_are_written_as_a_shopper_would() -> None:
    assert workload.write_as_query("FRZN MEAT - BEEF") == "frozen meat beef"
    assert workload.write_as_query("BREAD:ITALIAN/FRENCH") == "bread italian french"


def test_households_are_those_with_purchases() -> None:
    households = workload.list_households()
    assert len(households) == len(set(households)) == 2469
    assert all(household.isdecimal() for household in households)


def test_each_model_gets_the_same_tensors_in_every_request() -> None:
    expected = {"search": {"QUERY"}, "recommend": {"PLACEMENT", "USER_ID"}}
    for model, make in workload.WORKLOADS.items():
        assert {frozenset(request) for request in make()} == {frozenset(expected[model])}


def test_the_order_repeats() -> None:
    first = workload.list_queries()
    workload.list_queries.cache_clear()
    assert workload.list_queries() == first
    assert list(first) != sorted(first)
