"""A shopper of a real server says what it likes and what not, looks again, and has it forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mercato_client import Client, InvalidArgumentError

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENT, Shop, run_mercato

pytestmark = pytest.mark.triton


@pytest.mark.parametrize("profile", ["cpu", "cpu-bls"])
def test_what_a_shopper_says_counts_until_it_is_forgotten(
    _triton: None, shop: Shop, tmp_path: Path, profile: str
) -> None:
    ids = shop.products["id"].tolist()
    options = shop.options(tmp_path, ranker=None, profile=profile)
    with TritonServer(options) as server, Client(server.grpc_address, timeouts=PATIENT) as client:

        def say(event_type: str, product: str | None = None, **fields: object) -> None:
            named = {} if product is None else {"product_id": product}
            written = client.write_events([{"event_type": event_type, "user_id": "sam", **named, **fields}])
            assert (written.accepted, written.rejected) == (1, ())

        def shown(**options: object) -> list[str]:
            page = client.recommend("home-page", user_id="sam", page_size=200, **options)  # type: ignore[arg-type]
            assert page.degraded == ()
            return [product.id for product in page.results]

        say("purchase-complete", ids[0])
        first = shown()
        bad, rated = first[3], first[5]
        say("not-interested", bad)
        say("rating", rated, rating=2)
        say("wishlist-add", first[7])
        now = shown()
        assert not {bad, rated} & set(now)
        assert bad in shown(exclude_disliked=False)
        query = shop.products.set_index("id")["title"][bad]
        found = [product.id for product in client.search(query, user_id="sam", page_size=100).results]
        assert bad in found
        without = client.search(query, user_id="sam", page_size=100, exclude_disliked=True).results
        assert bad not in [product.id for product in without]

        refused = client.write_events(
            [{"event_type": "rating", "user_id": "sam", "product_id": bad, "rating": stars} for stars in (7, None)]
        )
        assert refused.accepted == 0
        assert "rating: must be a number in 1..5, got 7" in refused.rejected[0].reason
        assert "rating: must be given for rating" in refused.rejected[1].reason

        known = client.profile(user_id="sam")
        statements = {one.id: one for one in known.statements}
        assert known.left_out >= 2
        assert statements[f"opinion:{rated}"].rating == 2.0
        assert statements[f"purchase:{ids[0]}"].says == "for"
        assert client.profile(user_id="nobody").statements == ()
        with pytest.raises(InvalidArgumentError, match="USER_ID: must be given, or VISITOR_ID"):
            client.profile()
        for _ in range(2):  # twice is once
            assert client.forget([statements[f"opinion:{bad}"]]).accepted == 1
        assert bad in shown()
        assert rated not in shown()

        told = run_mercato("profile", "sam", "--reset", "--server", server.grpc_address, "--json", cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        left = {one["id"] for one in json.loads(told.stdout)["statements"] if one["statement"] == "purchase"}
        assert left == {f"purchase:{ids[0]}"}
        assert f"opinion:{rated}" not in told.stdout
        assert rated in shown()
        assert ids[0] not in shown(exclude_purchased_days=36_500)
        person = run_mercato("profile", "sam", "--server", server.grpc_address, cwd=tmp_path)
        assert "bought" in person.stdout
        wrong = run_mercato("profile", "sam", "--forget", "view:x", "--server", server.grpc_address, cwd=tmp_path)
        assert wrong.returncode == 1
        assert "must be the id of a statement of this profile" in wrong.stderr
        nobody = run_mercato("profile", "nobody", "--server", server.grpc_address, cwd=tmp_path)
        assert (nobody.returncode, nobody.stdout) == (0, "")
        assert "nothing is known of 'nobody'" in nobody.stderr
