"""What the reranker reads of a product."""

from mercato.models.reranker.product_text import ATTRIBUTES_CLIP_CHARS, DESCRIPTION_CLIP_CHARS, write_product_text


def test_fields_come_the_most_telling_first() -> None:
    document = {
        "id": "1",
        "title": "Green tea",
        "brand": "Leafy",
        "categories": ["Food", "Drinks", "Tea"],
        "description": "Loose\nleaves.",
        "attributes": {"organic": True, "frozen": False, "origin": "Japan", "weight": 250, "tastes": ["fresh", "mild"]},
    }
    expected = "Green tea. Leafy. Drinks > Tea. Loose leaves.. organic, Japan, fresh, mild"
    assert write_product_text(document) == expected


def test_what_was_said_is_not_said_again() -> None:
    document = {
        "title": "Leafy Green Tea",
        "brand": "leafy",
        "attributes": {"model": "Green Tea", "page": "https://a.b"},
    }
    assert write_product_text(document) == "Leafy Green Tea"


def test_product_without_a_title_begins_with_what_there_is() -> None:
    assert write_product_text({"description": "Loose leaves"}) == "Loose leaves"
    assert write_product_text({}) == ""


def test_long_fields_are_cut() -> None:
    document = {"title": "t", "description": "d" * 2000, "attributes": {f"k{n}": f"value {n}" for n in range(500)}}
    text = write_product_text(document)
    assert text.count("d") == DESCRIPTION_CLIP_CHARS
    assert len(text) <= len("t. . ") + DESCRIPTION_CLIP_CHARS + ATTRIBUTES_CLIP_CHARS
