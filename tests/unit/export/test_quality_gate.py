"""What a smaller precision loses, with the arithmetic in sight."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from mercato.models.encoder.tokenizer import TextTokenizer
from mercato_export.errors import ExportError
from mercato_export.quality import OrderQuality, SearchQuality, lose_gain
from mercato_export.ratings import QUERY_WORDS, compare_on_ratings, compare_on_texts
from tests.unit.export.tiny_encoder import make_tokenizer


@pytest.fixture
def tokenizer(tmp_path: Path) -> TextTokenizer:
    make_tokenizer().save(str(tmp_path / "tokenizer.json"))
    return TextTokenizer(tmp_path / "tokenizer.json", max_tokens=16)


def vectors(*angles: float) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


# One query at angle 0, documents further and further away.
EXACT = vectors(0.0, 0.1, 0.2, 0.3)
SWAPPED = vectors(0.0, 0.2, 0.1, 0.3)


def search_quality(ratings: dict[int, dict[int, int]], **fields: float) -> SearchQuality:
    return SearchQuality(items=[], query_count=1, ratings=ratings, agreement={}, **fields)


def test_loss_of_ndcg_and_recall() -> None:
    quality = search_quality({0: {0: 3, 1: 1}})
    ndcg, recall = quality.compare(EXACT, SWAPPED, precision="int8")
    # gains 7 and 1: best order 7 / log2(2) + 1 / log2(3), the other 1 / log2(2) + 7 / log2(3)
    best, other = 7 + 1 / np.log2(3), 1 + 7 / np.log2(3)
    assert ndcg.value == pytest.approx(1 - other / best)
    assert not ndcg.passed
    assert (ndcg.name, recall.name, recall.value) == ("loss of nDCG@10", "loss of recall@100", 0)
    assert recall.passed


def test_what_gets_better_passes() -> None:
    ndcg, _ = search_quality({0: {0: 3, 1: 1}}).compare(SWAPPED, EXACT, precision="int8")
    assert ndcg.value < 0
    assert ndcg.passed


def test_without_ratings_the_top_tens_are_compared() -> None:
    rows = np.arange(0, 12) / 10
    exact = vectors(0.0, *rows)
    # the tenth document falls behind the eleventh: nine of ten are found
    other = vectors(0.0, *rows[:9], 1.05, 0.95, 1.1)
    quality = SearchQuality(items=[], query_count=1, ratings={}, agreement={"int8": 0.85})
    agreement, loss = quality.compare(exact, other, precision="int8")
    assert agreement.value == pytest.approx(9 / 10)
    assert agreement.passed
    assert loss.value == pytest.approx((np.cos(0.9) - np.cos(1.0)) / 10)
    # what has no limit of its own takes the tolerance
    assert not quality.compare(exact, other, precision="fp16")[0].passed


def test_nothing_lost_and_much_lost() -> None:
    quality = search_quality({})
    assert all(figure.passed for figure in quality.compare(EXACT, EXACT, precision="fp16"))
    # turned round, and the rated document is the last of three
    ndcg, _ = search_quality({0: {0: 3}}).compare(EXACT, vectors(0.0, 0.3, 0.2, 0.1), precision="fp16")
    # its gain is worth 1 / log2(4) in place of 1 / log2(2)
    assert ndcg.value == pytest.approx(1 - 1 / 2)
    assert not ndcg.passed


def test_kendall_tau_of_lists_without_their_padding() -> None:
    expected = np.array([[4.0, 3.0, 2.0, 9.0], [1.0, 1.0, 1.0, 1.0]])
    actual = np.array([[4.0, 2.0, 3.0, -9.0], [1.0, 2.0, 3.0, 4.0]])
    quality = OrderQuality(items=[], lengths=[3, 4])
    tau, loss = quality.compare(expected, actual, precision="fp16")
    # of three pairs one is exchanged: (2 - 1) / 3; the second list has no order to lose
    assert tau.value == pytest.approx(1 / 3)
    assert not tau.passed
    # gains 1, 1/2 and 0: the second place has a gain of 0 in place of 1/2, the third 1/2 in place of 0
    best, found = 1 + 0.5 / np.log2(3), 1 + 0.5 / np.log2(4)
    assert loss.value == pytest.approx(1 - found / best)
    assert not loss.passed
    assert all(figure.passed for figure in quality.compare(expected, expected, precision="fp16"))
    assert not any(figure.passed for figure in quality.compare(expected, actual * np.nan, precision="fp16"))


def test_what_changes_places_costs_what_it_differs_in() -> None:
    near, far = np.array([1.0, 0.999, 0.0]), np.array([1.0, 0.1, 0.0])
    exchanged = np.array([2.0, 3.0, 1.0])
    assert lose_gain(near, exchanged) < 0.001 < 0.1 < lose_gain(far, exchanged)
    # beyond the tenth rank nothing counts
    many = np.arange(12, 0, -1.0)
    assert lose_gain(many, np.array([*many[:10], 0.0, 1.0])) == 0


def test_tau_has_a_tolerance_of_its_own_where_that_is_declared() -> None:
    expected, actual = np.array([[1.0, 0.999, 0.0]]), np.array([[2.0, 3.0, 1.0]])
    quality = OrderQuality(items=[], lengths=[3], tau_tolerance={"int8": 0.7})
    # tau is (2 - 1) / 3, and nDCG loses 0.0004
    assert [figure.passed for figure in quality.compare(expected, actual, precision="int8")] == [True, True]
    assert [figure.passed for figure in quality.compare(expected, actual, precision="fp16")] == [False, True]


def test_tolerance_is_the_limit() -> None:
    expected, actual = np.array([[3.0, 2.0, 1.0]]), np.array([[2.0, 3.0, 1.0]])
    assert OrderQuality(items=[], lengths=[3], tolerance=0.7).compare(expected, actual, precision="fp16")[0].passed


def test_queries_are_beginnings_of_texts(tokenizer: TextTokenizer) -> None:
    texts = ["frozen pizza with cheese", "green tea", "baby soap", "soft bread and milk"]
    quality = compare_on_texts(texts, tokenizer)
    # texts 0 and 3
    assert quality.query_count == 2
    assert len(quality.items) == 2 + 4
    # words and the two special tokens
    assert quality.items[0]["input_ids"].shape == (1, QUERY_WORDS + 2)


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    products = {
        "id": ["a", "b", "c", "d"],
        "title": ["green tea", "milk", "cheese soup", "rice"],
        "supplier": ["", None, "x", "y"],
    }
    pa.parquet.write_table(pa.table(products), tmp_path / "products.parquet")
    judgements = {"query": ["tea", "tea", "soup"], "docid": ["a", "d", "c"], "rating": [3, 0, 0]}
    pa.parquet.write_table(pa.table(judgements), tmp_path / "judgements.parquet")
    return tmp_path


def test_rated_products_are_searched_by_those_who_have_a_relevant_one(rated: Path, tokenizer: TextTokenizer) -> None:
    quality = compare_on_ratings(rated, tokenizer)
    assert quality.query_count == 2
    assert len(quality.items) == 2 + 4
    # queries in the order of the alphabet: soup, tea; documents by length: milk, rice y, green tea, cheese soup x
    assert quality.ratings == {1: {2: 3, 1: 0}}


def test_rated_products_are_kept_when_others_are_left_out(rated: Path, tokenizer: TextTokenizer) -> None:
    assert len(compare_on_ratings(rated, tokenizer, product_limit=1).items) == 2 + 3
    assert len(compare_on_ratings(rated, tokenizer, product_limit=4).items) == 2 + 4


def test_ratings_that_cannot_be_read(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    with pytest.raises(ExportError, match=r"--ratings: .*products\.parquet cannot be read"):
        compare_on_ratings(tmp_path / "absent", tokenizer)
