"""Building, switching and opening whole snapshots."""

import json
from pathlib import Path

import numpy as np
import pytest

from mercato.catalog.product import TEXT_FIELDS
from mercato.errors import DataError, EncoderMismatchError, SnapshotError
from mercato.index.live import LiveCatalog
from mercato.index.manifest import SCHEMA_VERSION
from mercato.index.search_weights import FieldWeights
from mercato.index.snapshot import Snapshot, verify_snapshot
from mercato.index.synonyms import SynonymRule
from mercato.indexing.publish import versions_folder
from mercato.requests.retrieval import Placement, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.cooccurrence import TOGETHER
from tests.stores import (
    DIMENSION,
    NOW,
    HashEncoder,
    build,
    make_products,
    make_purchases,
    open_store,
    product,
    purchase,
    request,
    search_request,
)


def search_ids(snapshot: Snapshot, text: str) -> list[str]:
    """The ids that a search finds, by words and vectors."""
    catalog = LiveCatalog(snapshot, None)
    (answer,) = Retriever(catalog, None).retrieve([search_request(text)], HashEncoder().encode([text]))
    assert isinstance(answer, Retrieved)
    return [catalog.id_of(row) for row in answer.rows]


def test_a_snapshot_holds_what_it_was_built_from(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.db", make_purchases())
    manifest = build(
        tmp_path / "catalog", events=store.event_columns(), product_sequence=3, event_sequence=store.event_sequence()
    )

    snapshot = Snapshot(tmp_path / "catalog", encoder="hash-1")

    assert snapshot.manifest == manifest
    assert (manifest.products, manifest.texts, manifest.dimension) == (40, 40, DIMENSION)
    assert (manifest.product_sequence, manifest.event_sequence) == (3, 5 * 3 * 2 + 4 + 1)
    by_id = {item.id: item for item in make_products()}
    assert sorted(snapshot.documents.ids()) == sorted(by_id)
    for row, product_id in enumerate(snapshot.documents.ids()):
        assert snapshot.documents.document(row) == by_id[product_id].document()
        np.testing.assert_array_equal(
            snapshot.vectors(np.array([row]))[0], HashEncoder().encode([by_id[product_id].text(TEXT_FIELDS)])[0]
        )
        assert snapshot.features.price[row] == by_id[product_id].price
        assert snapshot.columns.row_of(product_id) == row == snapshot.row_by_id[product_id]


def test_rows_are_ordered_by_popularity_then_id(tmp_path: Path) -> None:
    # One purchase ten days ago counts 0.5 ** (10 / 60), one of today 1; what was never bought follows by id.
    events = [purchase("u", "p30", 10), purchase("v", "p20", 0.001), purchase("w", "p20", 10), purchase("u", "p10", 10)]
    store = open_store(tmp_path / "state.db", events)
    build(tmp_path / "catalog", list(reversed(make_products())), store.event_columns())

    ids = Snapshot(tmp_path / "catalog").documents.ids()

    never = [item.id for item in make_products() if item.id not in ("p10", "p20", "p30")]
    assert ids == ["p20", "p10", "p30", *never]


def test_events_from_a_moment_on_are_not_learned_from(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.db", [purchase("u", "p30", 0), purchase("u", "p20", 1)])
    build(tmp_path / "catalog", events=store.event_columns(), until=NOW)

    assert Snapshot(tmp_path / "catalog").documents.ids()[:2] == ["p20", "p00"]


def test_what_is_bought_together_is_learned_by_row(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.db", make_purchases())
    build(tmp_path / "catalog", events=store.event_columns())
    snapshot = Snapshot(tmp_path / "catalog")
    row = snapshot.row_by_id

    found, scores = (
        snapshot.learned.get(TOGETHER).add_up(np.array([row["p04"]], np.int32), np.ones(1, np.float32)).find(10)
    )

    # Five households bought both, in three orders each, and each: 5 / sqrt(5 * 5), shrunk by 5 / (5 + 10).
    assert found.tolist() == [row["p12"]]
    assert scores.tolist() == pytest.approx([5 / (5 * 5) ** 0.5 * 5 / (5 + 10)])


def test_equal_texts_share_a_vector_and_are_encoded_once(tmp_path: Path) -> None:
    encoder = HashEncoder()
    items = [product(f"p{n}", "same title" if n % 2 else f"title {n}") for n in range(6)]

    manifest = build(tmp_path / "catalog", items, encoder=encoder)

    assert (manifest.products, manifest.texts) == (6, 1 + 3)
    assert sorted(encoder.asked) == ["same title", "title 0", "title 2", "title 4"]
    snapshot = Snapshot(tmp_path / "catalog")
    vectors = snapshot.vectors(np.arange(6))
    np.testing.assert_array_equal(vectors[1], vectors[3])
    assert search_ids(snapshot, "same title")[:3] == ["p1", "p3", "p5"]


@pytest.mark.parametrize(
    ("titles", "query", "found"),
    [
        (["milk"], "milk", "p0"),
        (["!!!", "???", "***"], "***", "p2"),  # no product has a word
        (["牛奶", "綠茶", "咖啡"], "綠茶", "p1"),  # one pair of characters each
        (["!!!", "green tea"], "green tea", "p1"),
    ],
)
def test_a_catalogue_of_few_or_odd_words(tmp_path: Path, titles: list[str], query: str, found: str) -> None:
    items = [product(f"p{number}", title) for number, title in enumerate(titles)]
    build(tmp_path / "catalog", items, weights=FieldWeights(weights={"title": 1.0}))

    ids = search_ids(Snapshot(tmp_path / "catalog"), query)

    assert ids == [found]


def test_one_product_is_recommended_for_whatever_is_asked(tmp_path: Path) -> None:
    build(tmp_path / "catalog", [product("only", "milk")])
    retriever = Retriever(LiveCatalog(Snapshot(tmp_path / "catalog"), None), None)

    home, page = retriever.retrieve(
        [request(Placement.HOME_PAGE), request(Placement.PRODUCT_PAGE, seed_ids=("only",))], None
    )

    assert isinstance(home, Retrieved) and isinstance(page, Retrieved)
    assert (home.rows.tolist(), home.total) == ([0], 1)
    assert (page.rows.tolist(), page.total) == ([], 0)


def test_an_empty_catalogue_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the catalogue is empty: a snapshot needs at least one product"):
        build(tmp_path / "catalog", [])

    assert list(tmp_path.iterdir()) == []


def test_a_build_that_fails_leaves_the_old_snapshot_serving(tmp_path: Path) -> None:
    old = build(tmp_path / "catalog")

    with pytest.raises(OSError, match="the encoder stopped"):
        build(tmp_path / "catalog", [product("new", "new")], encoder=HashEncoder(fail_after=0))

    assert verify_snapshot(tmp_path / "catalog") == old


def test_an_open_snapshot_goes_on_while_two_newer_ones_replace_it(tmp_path: Path) -> None:
    out = tmp_path / "catalog"
    build(out)
    snapshot = Snapshot(out)

    build(out, [product("second", "second")])
    build(out, [product("third", "third")])

    assert len(list(versions_folder(out).iterdir())) == 2
    assert Snapshot(out).documents.ids() == ["third"]
    assert search_ids(snapshot, "large frozen pizza")[0] == "p05"
    assert not (tmp_path / ".catalog.building").exists()


def test_a_new_build_encodes_only_what_is_new(tmp_path: Path) -> None:
    out = tmp_path / "catalog"
    build(out)
    encoder = HashEncoder()

    build(out, [product("new", "Brand new"), *make_products()[5:]], encoder=encoder, reuse=out)

    assert encoder.asked == ["Brand new"]
    snapshot = Snapshot(out)
    texts = [product("new", "Brand new").text(), make_products()[7].text()]
    rows = [snapshot.row_by_id["new"], snapshot.row_by_id["p07"]]
    np.testing.assert_array_equal(snapshot.vectors(np.array(rows)), HashEncoder().encode(texts))


@pytest.mark.parametrize("damage", ["another encoder", "altered vectors", "no manifest", "nothing there"])
def test_vectors_that_cannot_be_trusted_are_not_reused(tmp_path: Path, damage: str) -> None:
    out = tmp_path / "catalog"
    if damage != "nothing there":
        build(out, encoder=HashEncoder("hash-0" if damage == "another encoder" else "hash-1"))
    if damage == "altered vectors":
        flip_byte(out / "dense.faiss")
    elif damage == "no manifest":
        (out / "manifest.json").rename(tmp_path / "aside")
        out = out.rename(tmp_path / "renamed")
    encoder = HashEncoder()

    build(tmp_path / "catalog", encoder=encoder, reuse=out)

    assert len(encoder.asked) == 40
    verify_snapshot(tmp_path / "catalog")


def test_an_interrupted_build_is_resumed(tmp_path: Path) -> None:
    items = [product(f"p{n}", f"title {n:05d}") for n in range(2_048 + 10)]  # a chunk holds 2,048 texts
    with pytest.raises(OSError, match="the encoder stopped"):
        build(tmp_path / "catalog", items, encoder=HashEncoder(fail_after=1))
    encoder = HashEncoder()

    manifest = build(tmp_path / "catalog", items, encoder=encoder)

    assert len(encoder.asked) == 10
    assert manifest.texts == 2_058
    snapshot = Snapshot(tmp_path / "catalog")
    rows = np.array([snapshot.row_by_id["p0"], snapshot.row_by_id["p2057"]])
    np.testing.assert_array_equal(snapshot.vectors(rows), HashEncoder().encode(["title 00000", "title 02057"]))


def test_builds_report_their_steps(tmp_path: Path) -> None:
    from mercato.indexing.build import BuildOptions, build_snapshot
    from mercato.state.values import EventTable

    told: list[tuple[str, int, int]] = []
    build_snapshot(
        make_products(), EventTable.empty(), HashEncoder(), tmp_path / "catalog", BuildOptions(until=NOW),
        lambda what, done, total: told.append((what, done, total)),
    )  # fmt: skip

    assert [what for what, _, _ in told] == [
        "ordering products by popularity", "encoding texts", "building the dense index", "building the word index",
        "finding the floor of searches", "learning from events", "mining what is bought together",
        "learning what words say of categories", "writing",
        "weighing the sources of recommendations",
    ]  # fmt: skip
    assert told[1] == ("encoding texts", 40, 40)


def flip_byte(path: Path, position: int = -5) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def test_another_encoder_is_refused_with_both_names(tmp_path: Path) -> None:
    build(tmp_path / "catalog", encoder=HashEncoder("hash-old"))

    for open_it in (Snapshot, verify_snapshot):
        with pytest.raises(
            EncoderMismatchError, match="built with encoder hash-old, but the encoder served is hash-new"
        ):
            open_it(tmp_path / "catalog", encoder="hash-new")


def test_a_missing_snapshot_is_refused_with_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "catalog").symlink_to("gone")

    for open_it in (Snapshot, verify_snapshot):
        with pytest.raises(SnapshotError, match="gone: no such folder; make one with `mercato index"):
            open_it(tmp_path / "catalog")


FILES = [
    "products.arrow", "dense.faiss", "columns.safetensors", "columns.json", "texts.safetensors", "signals.safetensors",
    "features.safetensors", "settings.json", "vocabulary.json", "synonyms.json", "suggestions.safetensors",
    "spelling.safetensors",
    "ids.safetensors", "rows.npy", "alive.npy",
    "words/statistics.json",    "words/terms.safetensors", "words/postings.safetensors",
    "behaviour.safetensors", "together.safetensors", "kinds.safetensors", "codes.safetensors", "titles.safetensors",
    "held_words.safetensors", "sources.json", "bundles.safetensors",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_damage_of_every_file_is_found_and_named(tmp_path: Path, name: str) -> None:
    build(tmp_path / "catalog", synonyms=(SynonymRule(left=("tv", "television")),))
    path = tmp_path / "catalog" / name
    whole = path.read_bytes()

    flip_byte(path)
    with pytest.raises(SnapshotError, match=f"{name} has another checksum; build it again"):
        verify_snapshot(tmp_path / "catalog")
    path.write_bytes(whole[:-3])
    for open_it in (Snapshot, verify_snapshot):
        with pytest.raises(SnapshotError, match=f"{name} has {len(whole) - 3} bytes instead of {len(whole)}; build it"):
            open_it(tmp_path / "catalog")
    path.unlink()
    for open_it in (Snapshot, verify_snapshot):
        with pytest.raises(SnapshotError, match=f"{name} is missing; build it again"):
            open_it(tmp_path / "catalog")


def test_the_files_named_above_are_all_but_those_of_the_word_index(tmp_path: Path) -> None:
    manifest = build(tmp_path / "catalog")

    assert {name for name in manifest.files if not name.startswith("words/")} == {
        "units.json",  # of this shop an empty object
        *(name for name in FILES if not name.startswith("words/")),
    }


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "catalog")
    path = tmp_path / "catalog" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 0}))

    for open_it in (Snapshot, verify_snapshot):
        with pytest.raises(SnapshotError, match=f"schema version 0, this Mercato reads {SCHEMA_VERSION}"):
            open_it(tmp_path / "catalog")
