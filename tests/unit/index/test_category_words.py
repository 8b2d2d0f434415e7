"""What words and meaning say of categories: shares, centroids, and what searches add to them."""

from pathlib import Path

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.index import layout
from mercato.index.category_words import PRIOR_SEARCHES, CategoryWords, learn_category_words, read_category_words
from mercato.index.snapshot import Snapshot
from tests.stores import HashEncoder, build

PRODUCTS = [
    Product(id="b1", title="blue pen", categories=("office", "pens")),
    Product(id="b2", title="red pen", categories=("office", "pens")),
    Product(id="c1", title="red cup", categories=("kitchen", "cups")),
    Product(id="n1", title="red thing"),
]


def learn(folder: Path, **searches: dict[int, float]) -> tuple[Snapshot, CategoryWords]:
    build(folder, PRODUCTS)
    snapshot = Snapshot(folder)
    return snapshot, learn_category_words(
        snapshot.words,
        snapshot.features.leaf_category,
        snapshot.dense.vectors,
        snapshot.texts.text_of_row,
        searches=searches or None,
    )


def shares_of(snapshot: Snapshot, learned: CategoryWords, term: str) -> dict[str, float]:
    names = list(snapshot.settings["leaf_categories"])
    codes, shares = learned.lookup(term)
    return {names[code]: share for code, share in zip(codes.tolist(), shares.tolist(), strict=True)}


def test_a_word_has_of_each_category_the_share_that_holds_it(tmp_path: Path) -> None:
    snapshot, learned = learn(tmp_path / "catalog")

    assert shares_of(snapshot, learned, "pen") == {"pens": pytest.approx(2 / (2 + 1))}
    assert shares_of(snapshot, learned, "red") == {"pens": pytest.approx(1 / (2 + 1)), "cups": pytest.approx(1 / 2)}
    assert shares_of(snapshot, learned, "thing") == {}  # only a product without a category holds it
    assert shares_of(snapshot, learned, "saw") == {}


def test_a_centroid_is_the_direction_of_the_mean_of_a_category(tmp_path: Path) -> None:
    snapshot, learned = learn(tmp_path / "catalog")

    pens = HashEncoder().encode([item.text(("title", "brand", "categories", "description", "attributes"))
                                 for item in PRODUCTS[:2]]).sum(axis=0)  # fmt: skip
    code = list(snapshot.settings["leaf_categories"]).index("pens")
    np.testing.assert_allclose(learned.centroids[code], pens / np.linalg.norm(pens), atol=1e-6)


def test_searches_that_ended_in_a_category_move_a_word_towards_it(tmp_path: Path) -> None:
    snapshot, before = learn(tmp_path / "before")
    names = list(snapshot.settings["leaf_categories"])
    snapshot, after = learn(tmp_path / "after", red={names.index("cups"): 30.0, names.index("pens"): 10.0, 99: 5.0})

    total = PRIOR_SEARCHES + 40
    assert shares_of(snapshot, after, "red") == {
        "cups": pytest.approx((PRIOR_SEARCHES / 2 + 40 * 30 / 30) / total),
        "pens": pytest.approx((PRIOR_SEARCHES / 3 + 40 * 10 / 30) / total),
    }
    assert shares_of(snapshot, after, "pen") == pytest.approx(shares_of(snapshot, before, "pen"))


def test_a_snapshot_keeps_what_was_learned(tmp_path: Path) -> None:
    snapshot, learned = learn(tmp_path / "catalog")

    kept = snapshot.category_words
    for name in ("centroids", "bounds", "codes", "shares"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(learned, name))


def test_a_snapshot_from_before_opens_and_knows_nothing(tmp_path: Path) -> None:
    build(tmp_path / "catalog", PRODUCTS)
    snapshot = Snapshot(tmp_path / "catalog")
    (snapshot.folder / layout.KINDS).unlink()

    learned = read_category_words(snapshot.folder, snapshot.words, snapshot.manifest.dimension)

    assert len(learned) == 0
    assert [len(array) for array in learned.lookup("pen")] == [0, 0]


def test_a_shop_without_categories_learns_nothing(tmp_path: Path) -> None:
    build(tmp_path / "catalog", PRODUCTS[3:])

    assert len(Snapshot(tmp_path / "catalog").category_words) == 0
