from hypothesis import given
from hypothesis import strategies as st

from mercato.index.layout import group_texts


def test_rows_are_grouped_by_text_in_order_of_first_appearance() -> None:
    texts, layout = group_texts(["b", "a", "b", "c", "a", "b"])

    assert texts == ["b", "a", "c"]
    assert layout.text_of_row.tolist() == [0, 1, 0, 2, 1, 0]
    assert layout.bounds.tolist() == [0, 3, 3 + 2, 3 + 2 + 1]
    assert layout.rows.tolist() == [0, 2, 5, 1, 4, 3]


def test_no_text_at_all() -> None:
    texts, layout = group_texts([])

    assert texts == []
    assert layout.bounds.tolist() == [0]
    assert layout.rows.tolist() == []


@given(st.lists(st.sampled_from(["", "a", "b", "c", "d e"]), max_size=30))
def test_every_row_is_in_the_group_of_its_text(given_texts: list[str]) -> None:
    texts, layout = group_texts(given_texts)

    assert [texts[number] for number in layout.text_of_row] == given_texts
    assert sorted(layout.rows.tolist()) == list(range(len(given_texts)))
    for number, text in enumerate(texts):
        rows = layout.rows[layout.bounds[number] : layout.bounds[number + 1]].tolist()
        assert rows == [row for row, other in enumerate(given_texts) if other == text]
