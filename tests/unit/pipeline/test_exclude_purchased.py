import pytest

from mercato.errors import InvalidInputError
from mercato.requests.options import MAX_DAYS, parse_options
from mercato.requests.retrieval import Placement, RetrievalRequest
from tests import stores


@pytest.mark.parametrize(
    ("given", "days"), [({}, 0.0), ({"exclude_purchased_days": None}, 0.0), ({"exclude_purchased_days": 30}, 30.0)]
)
def test_days_are_read(given: dict[str, object], days: float) -> None:
    request = stores.request(Placement.HOME_PAGE, **parse_options(RetrievalRequest, given))
    assert request.exclude_purchased_days == days


@pytest.mark.parametrize("value", [-1, MAX_DAYS + 1, "30", True, float("nan")])
def test_what_is_no_number_of_days_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match=r"exclude_purchased_days.*between 0 and 36500"):
        parse_options(RetrievalRequest, {"exclude_purchased_days": value})
