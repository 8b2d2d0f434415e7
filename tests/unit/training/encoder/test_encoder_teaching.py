"""What the encoder is taught: answers, rivals, a teacher's margins, and the loss that they make."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from mercato.arrays import Float32
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato_training.encoder.catalog_queries import draw_catalog_queries
from mercato_training.encoder.fit import (
    TEMPERATURE,
    EncoderOptions,
    MovingProducts,
    StillProducts,
    compute_loss,
    mix_batches,
)
from mercato_training.encoder.stages import plan_stages
from mercato_training.encoder.taught import EncoderData, EncoderDataOptions, TaughtQuery, prepare_taught
from mercato_training.reranker.events import Behaviour
from tests.unit.training.conftest import WordEncoder


class WordReranker:
    """Scores a product by how often its text holds the query."""

    weight = 0.5

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[Float32]:
        return [
            np.array([text.lower().count(query) for text in found], np.float32)
            for query, found in zip(queries, texts, strict=True)
        ]


@pytest.fixture
def catalog(snapshot: Snapshot) -> LiveCatalog:
    return LiveCatalog(snapshot, None)


def make(query: str, rows: list[int], shares: list[float], **more: object) -> TaughtQuery:
    values: dict[str, object] = {
        "query": query, "origin": "ratings", "vector": np.array([1.0, 0.0], np.float32),
        "rows": np.array(rows, np.int32), "shares": np.array(shares, np.float32),
        "rivals": np.zeros(0, np.int32), "ratings": {}, **more,
    }  # fmt: skip
    return TaughtQuery(**values)  # type: ignore[arg-type]


def test_rated_queries_count_by_gain_and_rivals_are_no_answers(catalog: LiveCatalog, encoder: WordEncoder) -> None:
    ratings = {"milk": {"p00": 3, "p06": 1, "p01": 0, "gone": 3}}
    data = prepare_taught(catalog, encoder, EncoderDataOptions(queries=0, folds=2, fold=0), ratings=ratings)
    [one] = [*data.train, *data.validation, *data.held_back]
    of_row = dict(zip((catalog.id_of(row) for row in one.rows.tolist()), one.shares.tolist(), strict=True))
    assert of_row == {"p00": pytest.approx(7 / 8), "p06": pytest.approx(1 / 8)}
    assert not set(one.rows.tolist()) & set(one.rivals.tolist())
    assert catalog.row_of("p12") in one.rivals  # holds the word too, and nobody rated it
    assert data.counts["ratings_of_unknown_products"] == 1


def test_answers_of_the_catalogues_own_queries_hold_their_words(catalog: LiveCatalog, encoder: WordEncoder) -> None:
    data = prepare_taught(catalog, encoder, EncoderDataOptions(queries=60, folds=2))
    own = {one.query: one for one in [*data.train, *data.validation, *data.held_back]}
    assert {"acme", "best"} <= set(own)
    cheese = own["cheese"]
    assert {catalog.id_of(row) for row in cheese.rows.tolist()} == {f"p{number:02d}" for number in range(3, 48, 6)}
    assert cheese.shares.sum() == pytest.approx(1.0)
    # nearer by the old encoder counts more
    cosines = catalog.vectors(cheese.rows) @ cheese.vector
    assert np.argmax(cosines) == np.argmax(cheese.shares)


def test_nothing_is_learned_of_what_is_held_back(catalog: LiveCatalog, encoder: WordEncoder) -> None:
    behaviour = Behaviour(answered={"tea": {5: 3}, "soap": {4: 1}}, interest=np.zeros(48))
    ratings = {"tea": {"p05": 3}, "bread": {"p01": 2}}
    folds = [
        prepare_taught(
            catalog, encoder, EncoderDataOptions(queries=60, folds=3, fold=fold), ratings=ratings, behaviour=behaviour
        )
        for fold in range(3)
    ]
    for data in folds:
        learned = {one.query for one in [*data.train, *data.validation]}
        assert not learned & {one.query for one in data.held_back}
    held = [one for data in folds for one in data.held_back]
    origins = {one.query: one.origin for one in held}
    assert (origins["tea"], origins["soap"], origins["cheese"]) == ("ratings", "log", "catalogue")
    assert len(held) == len(origins)


def test_a_teacher_reads_answers_and_rivals(catalog: LiveCatalog, encoder: WordEncoder) -> None:
    data = prepare_taught(catalog, encoder, EncoderDataOptions(queries=30), reranker=WordReranker())
    cheese = next(one for one in [*data.train, *data.validation, *data.held_back] if len(one.read))
    assert set(cheese.read.tolist()) & set(cheese.rows.tolist())
    assert set(cheese.read.tolist()) & set(cheese.rivals.tolist())
    assert len(cheese.read) == len(cheese.taught)


def test_loss_is_that_of_the_formula() -> None:
    products = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    queries = torch.tensor([[0.8, 0.6]])
    one = make("q", [0, 2, 9], [0.6, 0.2, 0.2])  # row 9 is not in the pool: its share goes to the others
    cosines = np.array([0.8, 0.6, 0.96]) / TEMPERATURE
    logs = cosines - np.log(np.exp(cosines).sum())
    options = EncoderOptions(keep=2.0, teach=0.0)
    loss = compute_loss([one], np.array([0, 1, 2], np.int32), queries, products, options)
    assert float(loss) == pytest.approx(-(0.75 * logs[0] + 0.25 * logs[2]) + 2.0 * (1 - 0.8), rel=1e-5)


def test_a_teachers_order_is_learned_by_its_margins() -> None:
    products = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    pool, rows = np.array([0, 1], np.int32), np.array([0, 1], np.int32)
    agrees = make("q", [0], [1.0], read=rows, taught=np.array([5.0, 1.0], np.float32))
    differs = make("q", [0], [1.0], read=rows, taught=np.array([1.0, 5.0], np.float32))
    queries = torch.tensor([[1.0, 0.0]])
    teach, alone = EncoderOptions(keep=0.0), EncoderOptions(keep=0.0, teach=0.0)
    plain = float(compute_loss([agrees], pool, queries, products, alone))
    assert float(compute_loss([agrees], pool, queries, products, teach)) == pytest.approx(plain, abs=1e-5)
    # standardised, two scores lie at +-1/sqrt(2): margins of +-sqrt(2) differ by 2 sqrt(2), and half of the pairs are
    # a product with itself
    wrong = float(compute_loss([differs], pool, queries, products, teach))
    assert wrong - plain == pytest.approx((2 * np.sqrt(2)) ** 2 / 2, rel=1e-4)


def test_pools_hold_what_the_batch_speaks_of() -> None:
    vectors = np.eye(3000, 4, dtype=np.float32)
    one = make("q", [7, 9], [0.5, 0.5], rivals=np.array([11], np.int32), read=np.array([13], np.int32))
    pool = StillProducts(vectors).draw([one], np.random.default_rng(0))
    assert {7, 9, 11, 13} <= set(pool.tolist())
    assert np.all(np.diff(pool) > 0)
    drawn = MovingProducts(None, vectors, str).draw([one], np.random.default_rng(0))  # type: ignore[arg-type]
    assert drawn.tolist() == [7, 9, 11]


def test_batches_hold_known_queries_and_some_of_the_catalogues_own() -> None:
    known = [make(f"r{number}", [0], [1.0]) for number in range(9)]
    own = [make(f"c{number}", [0], [1.0], origin="catalogue") for number in range(12)]
    options = EncoderOptions(batch_size=6, known_share=2 / 3)
    batches = mix_batches(known, own, options, np.random.default_rng(0))
    assert [sum(one.origin == "ratings" for one in batch) for batch in batches] == [4, 4, 1]
    assert [sum(one.origin == "catalogue" for one in batch) for batch in batches] == [2, 2, 2]
    assert sorted(one.query for batch in batches for one in batch if one.origin == "ratings") == [
        one.query for one in known
    ]
    alone = mix_batches([], own, options, np.random.default_rng(0))
    assert [len(batch) for batch in alone] == [6, 6]


def test_what_is_known_comes_after_the_catalogue_in_few_steps() -> None:
    known = [make(f"r{number}", [0], [1.0]) for number in range(8)]
    own = [make(f"c{number}", [0], [1.0], origin="catalogue") for number in range(12)]
    data = EncoderData(train=[*known[:6], *own[:9]], validation=[*known[6:], *own[9:]], held_back=[], counts={})
    options = EncoderOptions(batch_size=6, known_share=2 / 3, epochs=3, learning_rate=1e-3)
    first, second = plan_stages(data, options)
    assert (first.name, first.options) == ("catalogue", options)
    assert {one.origin for one in [*first.train, *first.validation]} == {"catalogue"}
    # 6 queries in batches of 4 are two steps a pass: fifteen passes make thirty steps, five without gain are ten
    assert (second.name, second.options.epochs, second.options.patience) == ("ratings and log", 15, 5)
    assert second.options.learning_rate == pytest.approx(0.4 * 1e-3)
    assert list(second.train) == data.train
    [alone] = plan_stages(EncoderData(train=known, validation=[], held_back=[], counts={}), options)
    assert alone.options.learning_rate == options.learning_rate


def test_queries_of_the_catalogue_are_phrases_brands_and_products() -> None:
    documents = [{"title": f"desk lamp {number}", "brand": "Lumo"} for number in range(4)]
    documents += [{"title": f"oak shelf {number}", "brand": "Once" if number == 0 else ""} for number in range(40)]
    drawn = draw_catalog_queries(documents, 20, np.random.default_rng(3))
    assert {"desk", "lamp", "desk lamp", "lumo"} <= set(drawn)
    assert "once" not in drawn  # a brand of one product
    assert draw_catalog_queries(documents, 0, np.random.default_rng(3)) == []
    assert draw_catalog_queries([], 5, np.random.default_rng(3)) == []
