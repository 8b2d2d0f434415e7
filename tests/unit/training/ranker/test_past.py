from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from mercato.features.features import FEATURE_NAMES
from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.context import prepare_context
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.cooccurrence import TOGETHER
from mercato.state.values import EventTable
from mercato_training.common.synthetic_queries import make_queries
from mercato_training.ranker.examples import ExampleBuilder, ExampleSet
from mercato_training.ranker.past import PastSnapshot
from mercato_training.ranker.tasks import draw_recommendations, draw_searches
from mercato_training.ranker.timeline import Timeline

DAY = 86_400.0


@pytest.fixture(scope="module")
def middle(events: EventTable) -> float:
    return float(np.quantile(events.time, 0.6))


def keep_events(events: EventTable, keep: np.ndarray) -> EventTable:
    columns = {f.name: getattr(events, f.name) for f in fields(events)}
    return replace(events, **{name: value[keep] for name, value in columns.items() if isinstance(value, np.ndarray)})


def find_ids(snapshot: Snapshot, ids: Sequence[str], timeline: Timeline, encoder: Any, until: float) -> list[list[str]]:
    """Find candidates of searches and recommendations and name them by id."""
    retriever = Retriever(LiveCatalog(snapshot, None), None)
    found = []
    for actor, text in enumerate(("soap", "food milk", "cheese number", "", "", "")):
        request = RetrievalRequest(
            placement=Placement.SEARCH if text else Placement.HOME_PAGE, text=text, context=Context(time=until)
        )
        vector = encoder.encode_many([text])[0] if text else None
        history = timeline.history_before(actor, until, limit=100)
        case = prepare_context(retriever.catalog, request, history, vector)
        found.append([ids[row] for row in retriever.find([case])[0].fused.rows])
    return found


def test_the_view_answers_like_a_snapshot_that_was_built_then(
    snapshot: Snapshot, build: Callable[[float], Snapshot], events: EventTable, encoder: Any, middle: float
) -> None:
    built = build(middle)
    view = PastSnapshot(snapshot, events, until=middle)
    ids = snapshot.documents.ids()
    view_ids = [ids[row] for row in view.original]
    built_ids = built.documents.ids()
    assert view_ids == built_ids
    assert view_ids != ids
    for name in ("log_popularity", "trend", "repeat_rate", "repeat_interval_days", "price", "in_stock"):
        np.testing.assert_array_equal(getattr(view.features, name), getattr(built.features, name), err_msg=name)
    np.testing.assert_array_equal(view.learned.get(TOGETHER).neighbours, built.learned.get(TOGETHER).neighbours)
    by_view = find_ids(view, view_ids, Timeline(events, view.row_by_id), encoder, middle)
    by_built = find_ids(built, built_ids, Timeline(events, built.row_by_id), encoder, middle)
    assert by_view == by_built
    assert all(by_view)
    np.testing.assert_allclose(view.vectors(np.arange(48)), built.vectors(np.arange(48)), atol=1e-6)


def test_the_snapshot_itself_is_left_alone(snapshot: Snapshot, events: EventTable, middle: float) -> None:
    before = (snapshot.features, snapshot.texts, snapshot.learned.get(TOGETHER), snapshot.words)
    PastSnapshot(snapshot, events, until=middle)
    assert (snapshot.features, snapshot.texts, snapshot.learned.get(TOGETHER), snapshot.words) == before
    assert snapshot.row_by_id == {product_id: row for row, product_id in enumerate(snapshot.documents.ids())}


def build_examples(snapshot: Snapshot, events: EventTable, encoder: Any, middle: float, moment: float) -> ExampleSet:
    """Build the examples of the orders of one moment, with all that these events tell."""
    past = PastSnapshot(snapshot, events, until=middle)
    timeline = Timeline(events, past.row_by_id)
    orders = timeline.orders(since=moment, until=np.nextafter(moment, np.inf))
    texts = sorted({query for kind in ("milk", "bread", "apples", "cheese", "soap", "tea") for query in (kind,)})
    document_kind = {row: ids for ids, row in past.row_by_id.items()}
    queries = {
        row: (
            texts.index(
                make_queries(("food", ("milk", "bread", "apples", "cheese", "soap", "tea")[int(i[1:]) % 6]))[0]
            ),
        )
        for row, i in document_kind.items()
    }
    rng = np.random.default_rng(0)
    tasks = [*draw_searches(orders, queries, 99, rng), *draw_recommendations(orders, 99, rng)]
    builder = ExampleBuilder(Retriever(LiveCatalog(past, None), None), timeline, texts, encoder)
    return builder.build(tasks)


def test_no_feature_or_candidate_knows_the_order_itself_or_what_came_after(
    snapshot: Snapshot, events: EventTable, encoder: Any, middle: float
) -> None:
    later = np.unique(events.time[events.time > middle + 20 * DAY])
    moment = float(later[0])
    whole = build_examples(snapshot, events, encoder, middle, moment)
    # The order's own lines must stay, or there is no order; all that is later goes.
    cut = build_examples(snapshot, keep_events(events, events.time <= moment), encoder, middle, moment)
    assert len(whole) >= 4
    assert (whole.query >= 0).any()
    assert (whole.query < 0).any()
    for name in ("rows", "features", "bought", "query", "history"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name), err_msg=name)


def test_the_order_itself_is_not_in_its_own_history(
    snapshot: Snapshot, events: EventTable, encoder: Any, middle: float
) -> None:
    moment = float(np.unique(events.time[events.time > middle + 20 * DAY])[0])
    whole = build_examples(snapshot, events, encoder, middle, moment)
    # The same order holding other products: what was bought changes, what is known of the shopper does not.
    changed = replace(
        events, product=np.where(events.time == moment, 47 - events.product, events.product).astype(np.int32)
    )
    other = build_examples(snapshot, changed, encoder, middle, moment)
    position, other_position = (int(np.flatnonzero(examples.query < 0)[0]) for examples in (whole, other))
    assert set(whole.tasks[position].bought) != set(other.tasks[other_position].bought)
    for name in ("rows", "features", "history"):
        np.testing.assert_array_equal(
            getattr(whole, name)[position], getattr(other, name)[other_position], err_msg=name
        )


def test_what_came_between_signals_and_order_is_in_the_history(
    snapshot: Snapshot, events: EventTable, encoder: Any, middle: float
) -> None:
    moment = float(np.unique(events.time[events.time > middle + 20 * DAY])[0])
    whole = build_examples(snapshot, events, encoder, middle, moment)
    forgotten = keep_events(events, (events.time < middle) | (events.time >= moment))
    other = build_examples(snapshot, forgotten, encoder, middle, moment)
    assert not np.array_equal(whole.history, other.history)


def test_nothing_is_known_of_an_unknown_shopper(
    snapshot: Snapshot, events: EventTable, encoder: Any, middle: float
) -> None:
    past = PastSnapshot(snapshot, events, until=middle)
    timeline = Timeline(events, past.row_by_id)
    tasks = draw_recommendations(timeline.orders(since=middle, until=np.inf), 5, np.random.default_rng(0))
    unknown = [replace(task, history_limit=0) for task in tasks]
    examples = ExampleBuilder(Retriever(LiveCatalog(past, None), None), timeline, [], encoder).build([*tasks, *unknown])
    assert (np.linalg.norm(examples.history[:5], axis=1) > 0.99).all()
    assert not examples.history[5:].any()
    assert not examples.features[5:, :, FEATURE_NAMES.index("log_history_length")].any()


def test_longer_lists_keep_what_was_bought_and_a_sample(
    snapshot: Snapshot, events: EventTable, encoder: Any, middle: float
) -> None:
    past = PastSnapshot(snapshot, events, until=middle)
    timeline = Timeline(events, past.row_by_id)
    orders = timeline.orders(since=middle, until=np.inf)
    tasks = draw_recommendations(orders, 20, np.random.default_rng(0))
    builder = ExampleBuilder(Retriever(LiveCatalog(past, None), None), timeline, [], encoder)
    full = builder.build(tasks)
    short = builder.build(tasks, width=10, rng=np.random.default_rng(1))
    assert full.rows.shape == (20, 128)
    assert short.rows.shape == (20, 10)
    assert full.bought.sum() > 20
    for position in range(20):
        bought = set(full.rows[position][full.bought[position]])
        assert bought == set(short.rows[position][short.bought[position]])
        assert set(short.rows[position]) <= set(full.rows[position])
    with pytest.raises(ValueError, match="width must be at least the list's 48, given 10"):
        builder.build(tasks, width=10)
