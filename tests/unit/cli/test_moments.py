import pytest

from mercato.cli.moments import parse_moment
from mercato.errors import InvalidInputError
from mercato.text.timestamps import parse_timestamp

NOVEMBER = parse_timestamp("2011-11-01T00:00:00Z")


@pytest.mark.parametrize("text", ["2011-11-01", "2011-11-01T00:00:00Z", " 2011-11-01 00:00:00 ", str(NOVEMBER)])
def test_moments_are_read_leniently(text: str) -> None:
    assert parse_moment(text, "--until") == NOVEMBER


def test_an_option_that_is_not_given_has_no_moment() -> None:
    assert parse_moment(None, "--until") is None


@pytest.mark.parametrize("text", ["soon", "", "2011-13-01", "nan"])
def test_what_is_no_moment_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(InvalidInputError, match="--until: must be a date or a time"):
        parse_moment(text, "--until")
