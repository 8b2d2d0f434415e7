"""What follows the ranked window keeps the sources that found it."""

import numpy as np
import pytest

from mercato.requests import retrieval as module
from mercato.requests.retrieval import Placement
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.registry import FLAGS
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.stores import make_products, request, search_request
from tests.unit.retrieval.asking import ask

TEXT = make_products()[4].title


def test_a_narrow_window_changes_no_source(retriever: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retriever.catalog.snapshot, "floor", None)  # whatever is near matches
    whole = ask(retriever, search_request(TEXT, depth=40))
    monkeypatch.setattr(module, "WINDOW", 2)
    narrow = ask(retriever, search_request(TEXT, depth=40))

    assert len(narrow.rows) == 2
    assert np.concatenate([narrow.rows, narrow.tail]).tolist() == np.concatenate([whole.rows, whole.tail]).tolist()
    assert narrow.sources.tolist() == whole.sources.tolist()
    found_by_dense_alone = [flags for flags in narrow.sources[2:].tolist() if flags == FLAGS["dense"]]
    assert found_by_dense_alone, "the shop must have products that dense retrieval alone finds beyond the window"


def test_what_no_source_found_is_popular(retriever: Retriever, store: SqliteStateStore) -> None:
    """Around a seed that is not encoded, only what is bought with it is found; popularity fills the rest."""
    store.append_product_changes([ProductChange("upsert", "p04", make_products()[4].document(), None)])
    answer = ask(retriever, request(Placement.PRODUCT_PAGE, seed_ids=("p04",), depth=40))
    first = FLAGS["cooccurrence"] | FLAGS["also_bought"]
    assert answer.sources.tolist() == [int(first)] + [FLAGS["popular"]] * len(answer.tail)
    assert len(answer.tail) == 38
