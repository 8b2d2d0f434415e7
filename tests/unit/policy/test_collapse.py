"""Near-duplicates: which titles are one, what is kept, and pages that fit together."""

import pytest

from mercato.index.live import LiveCatalog
from mercato.policy.collapse import collapse_duplicates, strip_quantities
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import all_ids, make_pipeline, search


@pytest.mark.parametrize(
    ("title", "bare"),
    [
        ("Ice - crushed/cubed, 22 lb", "ice crushed cubed"),
        ("Milk, 2 x 1 l", "milk"),
        ("Cola 12-pack 12 fl oz", "cola"),
        ("Cola cans pack of 6", "cola cans"),
        ("15.6 inch laptop", "laptop"),
        ("16GB RAM DDR4", "ram ddr4"),
        ('TV 55" flat', "tv flat"),
        ("T-shirt XL", "t shirt"),
        ("牛奶 250ml", "牛奶"),
        # Model numbers are no sizes.
        ("Ink LC51C cyan", "ink lc51c cyan"),
        ("Printer 301", "printer 301"),
        # Nothing but a size stays what it is.
        ("500 ml", "500 ml"),
        ("!!!", "!!!"),
    ],
)
def test_titles_without_quantities(title: str, bare: str) -> None:
    assert strip_quantities(title) == bare


def test_sizes_of_one_brand_fold_and_other_brands_do_not(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    titles = {
        "a1": ("Cocoa 500 g", "Acme"),
        "a2": ("Cocoa, 1 kg", "ACME"),
        "b1": ("Cocoa 500 g", "Bolt"),
        "n1": ("Cocoa 500 g", ""),
        "n2": ("Cocoa 250 g", ""),
    }
    state.append_product_changes(
        [stores.upsert(stores.product(one, title, brand=brand)) for one, (title, brand) in titles.items()]
    )
    catalog.refresh()
    rows = catalog.rows_of(list(titles))
    kept, variants = collapse_duplicates(catalog, rows)
    assert [catalog.id_of(int(rows[position])) for position in kept] == ["a1", "b1", "n1"]
    folded = {catalog.id_of(row): [catalog.id_of(other) for other in others] for row, others in variants.items()}
    assert folded == {"a1": ["a2"], "n1": ["n2"]}


def test_nothing_collapses_to_nothing(catalog: LiveCatalog) -> None:
    kept, variants = collapse_duplicates(catalog, catalog.rows_of([]))
    assert (kept.tolist(), variants) == ([], {})


def test_the_best_is_kept_and_names_the_others(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    plain = search(pipeline, "frozen pizza", page_size=4)
    assert set(plain["ids"]) == {"p04", "p05", "p06", "p07"}
    found = search(pipeline, "frozen pizza", page_size=4, collapse=True)
    # p04 "Small" and p06 "Organic" are Acme's, p05 "Large" and p07 "Family" Bolt's: only small and large are sizes.
    assert set(plain["ids"]) <= set(found["ids"]) | {one for r in found["results"] for one in r.get("variants", [])}
    assert "variants" not in plain["results"][0]


def test_collapsed_pages_neither_overlap_nor_leave_gaps(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    copies = [stores.product(f"c{n:02d}", f"Fine tea number 7, {n + 1} g", brand="Acme") for n in range(60)]
    state.append_product_changes([stores.upsert(copy) for copy in copies])
    pipeline = make_pipeline(catalog, state)
    plain = all_ids(pipeline, "fine tea number 7")
    sizes = {size: all_ids(pipeline, "fine tea number 7", page_size=size, collapse=True) for size in (7, 30, 500)}
    assert sizes[7] == sizes[30] == sizes[500]
    ids = sizes[30]
    assert len(ids) == len(set(ids)) < len(plain)
    first = search(pipeline, "fine tea number 7", collapse=True)
    last = search(pipeline, "fine tea number 7", collapse=True, offset=len(ids) - 1)
    assert first["total"] == last["total"] == len(ids)
    whole = search(pipeline, "fine tea number 7", collapse=True, page_size=500)
    hidden = [one for result in whole["results"] for one in result.get("variants", [])]
    assert sorted([*ids, *hidden]) == sorted(plain), "nothing is lost: what is not shown is named"
