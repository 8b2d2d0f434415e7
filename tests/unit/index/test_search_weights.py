import pytest

from mercato.errors import InvalidInputError
from mercato.index.search_weights import DEFAULT_WEIGHTS, FieldWeights, parse_weights


def test_named_fields_are_set_and_others_keep_their_default() -> None:
    assert parse_weights("title=3, brand=0").weights == {**DEFAULT_WEIGHTS, "title": 3.0, "brand": 0.0}
    assert parse_weights("").weights == DEFAULT_WEIGHTS


def test_fields_without_weight_are_not_searched() -> None:
    assert FieldWeights(weights={"description": 1.0, "title": 2.0, "id": 0.0}).fields == ("title", "description")


def test_settings_come_back_from_their_json_form() -> None:
    settings = FieldWeights(weights={"title": 2.0}, saturation=1.0, length_penalty=0.5)
    assert FieldWeights(**settings.as_dict()) == settings


@pytest.mark.parametrize("text", ["title", "title=", "title=much", "title=nan", "=3", "title=3=4"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"--weights: must be name=number pairs .* got"):
        parse_weights(text)


def test_an_unknown_field_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError, match="must name fields of id, title, .*, got 'colour'"):
        parse_weights("colour=2")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": {"title": -1.0}}, "of title must be 0 to 1000, got -1.0"),
        ({"weights": {"title": 0.0}}, "at least one field a weight above 0"),
        ({"weights": {}}, "at least one field a weight above 0"),
        ({"saturation": 0.0}, "saturation: must be above 0"),
        ({"length_penalty": 1.5}, "length_penalty: must be 0 to 1, got 1.5"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        FieldWeights(**settings)  # type: ignore[arg-type]
