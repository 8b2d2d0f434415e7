"""What the ranker is told by the latent factors."""

from typing import Any

import numpy as np
import pytest

from mercato.features.features import FEATURE_NAMES
from mercato.requests.retrieval import Placement
from mercato.retrieval.nearness import FACTORS
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests.stores import make_products, request, upsert
from tests.unit.retrieval.asking import ask


def test_the_ranker_is_told_how_near_candidates_are_by_factors(retriever: Retriever, store: SqliteStateStore) -> None:
    """A candidate's factors are those of the product however it was changed since, and a stranger has none."""
    store.append_product_changes([upsert(make_products()[12].merged({"price": 9.5}))])
    column = list(FEATURE_NAMES).index("factors")

    def factors_of(**who: Any) -> dict[str, float]:
        answer = ask(retriever, request(Placement.HOME_PAGE, depth=50, **who))
        shown = [retriever.catalog.id_of(row) for row in answer.rows.tolist()]
        return dict(zip(shown, answer.features[:, column].tolist(), strict=True))

    factors = retriever.catalog.snapshot.learned.get(FACTORS)
    row = retriever.catalog.snapshot.row_by_id
    # u1 bought p04 and p12 30, 20 and 10 days ago; p30, which nobody else bought, takes no part.
    have = np.log1p(4.0 * sum(0.5 ** (days / 90.0) for days in (30, 20, 10)))
    own = factors.fold_in(np.array([row["p04"], row["p12"]], np.int32), np.full(2, have))
    expected = factors.score(own, np.array([row["p04"], row["p12"], row["p20"]], np.int32))

    found = factors_of(user_id="u1")
    assert [found["p04"], found["p12"]] == pytest.approx(expected[:2].tolist(), rel=1e-4)
    assert found["p12"] > 0.1
    assert found["p30"] == 0.0
    assert set(factors_of(user_id="stranger").values()) == {0.0}
