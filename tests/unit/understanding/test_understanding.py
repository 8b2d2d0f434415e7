"""Queries with conditions through the pipeline of a small shop."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mercato.errors import MercatoError
from mercato.index import layout
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.page import parse_search
from mercato.requests.understand import Understand
from mercato.retrieval.retriever import Retriever
from mercato.understanding.understander import Understander
from tests.stores import HashEncoder, build, open_store, product, upsert

COLOURS = ["Red", "Navy Blue", "Green", "Black"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jackets of two materials and four colours, kettles and bottles with measures, drinks with and without sugar."""
    out = tmp_path_factory.mktemp("shop") / "catalog"
    jackets = [
        product(
            f"{material.lower()}{n}",
            f"{material} jacket {n}",
            brand="Northpeak" if n % 4 == 0 else "Loden House",
            price=50.0 + n,
            currency="EUR",
            attributes={"colour": COLOURS[n % 4], "material": material, "weight (kg)": 0.5 + 0.25 * n},
        )
        for n in range(8)
        for material in ("Suede", "Cotton")
    ]
    drinks = [
        product("sweet", "Lemonade with sugar", price=2.0, currency="EUR", categories=["Drinks", "Lemonades"]),
        product("plain", "Lemonade, no sugar added", price=2.5, currency="EUR", categories=["Drinks", "Lemonades"]),
        product("water", "Lemon water", price=1.0, currency="EUR", description="Contains no sugar at all",
                categories=["Drinks"]),
        product("story", "Syrup", price=6.0, currency="EUR", description="Better than sugar", categories=["Drinks"]),
    ]  # fmt: skip
    bottles = [
        product(f"bottle{n}", f"Steel bottle {n}", price=9.0 + n, currency="EUR", attributes={"content": f"{n}00 ml"})
        for n in (3, 5, 7, 9)
    ]
    both = product(
        "glove", "Gloves", price=20.0, currency="EUR",
        variants=[{"id": "g1", "attributes": {"material": "Suede"}}, {"id": "g2", "attributes": {"material": "Wool"}}],
    )  # fmt: skip
    build(out, [*jackets, *drinks, *bottles, both])
    return out


def ask(folder: Path, query: str, **options: Any) -> tuple[list[str], dict[str, Any]]:
    catalog = LiveCatalog(Snapshot(folder), None)
    pipeline = Pipeline(catalog, HashEncoder(), Retriever(catalog, None), None)
    page = parse_search({"QUERY": query.encode(), "PAGE_SIZE": 50, "OPTIONS": orjson.dumps(options)})
    (answer,) = pipeline.answer([page])
    assert isinstance(answer, Answer) and not isinstance(answer, MercatoError)
    return answer.product_ids, orjson.loads(answer.details)


@pytest.mark.parametrize("query", ["jacket -suede", "jacket without suede", "jacket ohne Suede", "jacket 不要suede"])
def test_what_holds_an_excluded_word_is_out(folder: Path, query: str) -> None:
    ids, details = ask(folder, query)

    (condition,) = details["conditions"]
    assert (condition["effect"], condition["type"]) == ("exclude", "material")
    assert condition["filter"] == 'NOT words: ANY("suede")' or condition["filter"] == 'NOT words: ANY("Suede")'
    assert not any(product_id.startswith("suede") for product_id in ids)
    assert ids[0].startswith("cotton")


def test_a_variant_without_the_excluded_word_keeps_its_product(folder: Path) -> None:
    ids, _ = ask(folder, "gloves -suede")

    assert ids == ["glove"]


def test_a_description_and_a_negation_cost_no_product_its_place(folder: Path) -> None:
    ids, details = ask(folder, "drink without sugar")

    assert "sweet" not in ids
    assert {"plain", "water", "story"} <= set(ids)
    assert [(one["text"], one["effect"]) for one in details["conditions"]] == [
        ("drink", "boost"), ("without sugar", "exclude")
    ]  # fmt: skip


def test_a_price_filters_and_its_words_are_not_searched(folder: Path) -> None:
    ids, details = ask(folder, "jacket under 53 euros")

    assert {product_id for product_id in ids if product_id.startswith(("suede", "cotton"))} == {
        f"{material}{n}" for material in ("suede", "cotton") for n in range(3)
    }
    assert details["conditions"] == [
        {"text": "under 53 euros", "start": 7, "end": 21, "type": "price", "field": "price", "filter": "price < 53",
         "effect": "filter", "status": "applied"}
    ]  # fmt: skip
    assert "corrected_query" not in details


def test_places_are_those_of_the_query_as_it_was_sent(folder: Path) -> None:
    sent = "  ｊａｃｋｅｔ   unter  53 €"
    _, details = ask(folder, sent)

    (condition,) = details["conditions"]
    assert sent[condition["start"] : condition["end"]] == condition["text"] == "unter  53 €"


def test_conditions_alone_ask_for_all_that_passes(folder: Path) -> None:
    ids, details = ask(folder, "under 3 euros")

    assert set(ids) == {"sweet", "plain", "water"}
    assert details["total"] == 3


def test_a_filter_that_leaves_nothing_boosts_and_says_so(folder: Path) -> None:
    ids, details = ask(folder, "under 1 over 90")

    assert ids
    assert {one["status"] for one in details["conditions"]} == {"relaxed"}
    assert all(one["reason"] for one in details["conditions"])


def test_another_currency_filters_nothing(folder: Path) -> None:
    _, details = ask(folder, "jacket under 53 dollars")

    (condition,) = details["conditions"]
    assert (condition["status"], condition["reason"]) == ("unused", "prices are in EUR")


def test_measures_compare_with_the_field_that_holds_them(folder: Path) -> None:
    heavy, details = ask(folder, "jacket less than 1000 g")
    small, more = ask(folder, "bottle at most 0.5 l")

    assert details["conditions"][0]["filter"] == 'attributes."weight (kg)" < 1'
    assert {product_id[-1] for product_id in heavy} == {"0", "1"}
    assert more["conditions"][0]["filter"] == 'attributes.content: ANY("300 ml", "500 ml")'
    assert set(small) == {"bottle3", "bottle5"}


def test_values_of_the_catalogue_boost(folder: Path) -> None:
    ids, details = ask(folder, "navy blue jacket")
    _, more = ask(folder, "northpeak jacket 900 ml")

    assert [(one["text"], one["type"], one["effect"]) for one in details["conditions"]] == [
        ("navy blue", "colour", "boost")
    ]
    assert ids[0][-1] in "15"
    assert [(one["text"], one["type"]) for one in more["conditions"]] == [
        ("northpeak", "brand"),
        ("900 ml", "quantity"),
    ]


def test_what_the_caller_does_not_want_is_words_again(folder: Path) -> None:
    plain, _ = ask(folder, "jacket without suede", understand="off")

    for ignored in ("without suede", "Without Suede", "material", "words"):
        ids, details = ask(folder, "jacket without suede", ignore_conditions=[ignored])
        assert "conditions" not in details
        assert ids == plain


def test_boost_filters_nothing(folder: Path) -> None:
    ids, details = ask(folder, "jacket without suede under 60", understand="boost")
    everything, _ = ask(folder, "jacket", understand="off")

    assert {one["effect"] for one in details["conditions"]} == {"boost"}
    assert set(ids) == set(everything)


def test_a_changed_product_is_excluded_by_its_new_words(folder: Path, tmp_path: Path) -> None:
    state = open_store(tmp_path / "state.db")
    catalog = LiveCatalog(Snapshot(folder), state)
    pipeline = Pipeline(catalog, HashEncoder(), Retriever(catalog, state), None)
    state.append_product_changes([upsert(product("cotton1", "Jacket of suede after all", price=51.0, currency="EUR"))])
    (answer,) = pipeline.answer([parse_search({"QUERY": b"jacket -suede", "PAGE_SIZE": 50})])
    state.close()

    assert isinstance(answer, Answer)
    assert "cotton1" not in answer.product_ids and "cotton2" in answer.product_ids


def test_a_snapshot_without_the_new_files_is_served_all_the_same(folder: Path, tmp_path: Path) -> None:
    import shutil

    old = tmp_path / "old"
    shutil.copytree(folder.resolve(), old)
    for name in (layout.HELD_WORDS, layout.UNITS):
        (old / name).unlink()
    manifest = orjson.loads((old / "manifest.json").read_bytes())
    manifest["files"] = {
        name: value for name, value in manifest["files"].items() if name not in (layout.HELD_WORDS, layout.UNITS)
    }
    (old / "manifest.json").write_bytes(orjson.dumps(manifest))

    ids, _ = ask(old, "jacket -suede")

    assert not any(product_id.startswith("suede") for product_id in ids) and "cotton1" in ids


PIECES = [
    *("jacket", "red", "navy", "blue", "under", "30", "€", "-suede", "without", "no", "sugar", "free", "und", "ohne"),
    *("kg", "900", "ml", "northpeak", "drinks", "不含", "糖", "的", "over", "and", "-", "size", "XL", "é", "ﬁ"),
]


@pytest.fixture(scope="module")
def understander(folder: Path) -> Understander:
    catalog = LiveCatalog(Snapshot(folder), None)
    return Understander(catalog, QueryAnalyzer(catalog).stopwords)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.text(min_size=1, max_size=40), st.lists(st.sampled_from(PIECES), min_size=1).map(" ".join)))
def test_without_its_conditions_any_query_is_plain(understander: Understander, query: str) -> None:
    meant = understander.understand(query, Understand.AUTO)
    for one in meant.conditions:
        assert query[one.start : one.end] == one.text != ""
    again = understander.understand(query, Understand.AUTO, [one.text for one in meant.conditions])

    assert again.conditions == ()
    assert again.text == query


def test_a_name_that_looks_like_another_languages_exclusion_is_searched(tmp_path: Path) -> None:
    films = [product("city", "Sin City, the film"), product("other", "A city at night"), product("sea", "The sea")]
    build(tmp_path / "catalog", films)

    ids, _ = ask(tmp_path / "catalog", "sin city")

    assert ids[0] == "city"


def test_a_word_of_names_compares_where_it_stands_in_none(tmp_path: Path) -> None:
    drills = [product(f"d{n}", f"Drill {n} v max", attributes={"voltage (V)": n}) for n in (12, 18, 20)]
    lamps = [product(f"l{n}", f"Lamp {n}", attributes={"voltage (V)": n}) for n in (5, 12)]
    build(tmp_path / "drills", drills)
    build(tmp_path / "lamps", lamps)

    assert [one["effect"] for one in ask(tmp_path / "drills", "drill 20v max")[1]["conditions"]] == ["boost"]
    assert ask(tmp_path / "lamps", "lamp 5v max")[1]["conditions"][0]["filter"] == 'attributes."voltage (V)" <= 5'


def test_units_of_fields_are_learned_from_texts(tmp_path: Path) -> None:
    sticks = [product(f"s{n}", f"Stick {n} GB fast", attributes={"memory": n}) for n in (4, 8, 16, 32, 64, 128)]
    build(tmp_path / "catalog", sticks)

    ids, details = ask(tmp_path / "catalog", "stick at least 32 gb")

    assert details["conditions"][0]["filter"] == "attributes.memory >= 32"
    assert set(ids) == {"s32", "s64", "s128"}


@pytest.mark.parametrize("query", ["under 3 euros", "jacket -suede red", "lemonade no sugar", "under 1 over 90"])
def test_every_option_goes_with_conditions(folder: Path, query: str) -> None:
    for options in (
        {"explain": True}, {"facets": ["brand", "price"]}, {"order_by": "price"}, {"collapse": True, "diversity": 0.5},
        {"boosts": [{"condition": "price < 2", "boost": 1}]},
    ):  # fmt: skip
        ids, details = ask(folder, query, **options)
        assert ids and details["conditions"] and not details["degraded"]
