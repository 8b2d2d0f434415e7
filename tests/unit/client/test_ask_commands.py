"""`mercato recommend`, `similar` and `rank`: what the options become on the wire; `serve --sources` refuses early."""

import json

import pytest
from typer.testing import CliRunner

from mercato.cli.main import app
from tests.unit.client.canned_triton import PAGE, page


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_rank_sends_the_list_and_prints_the_order(triton):
    done = run("rank", "p1", "p2", "--user", "u", "--filter", "price < 5", "--json", "--server", triton.address)
    assert done.exit_code == 0, done.output
    assert [result["id"] for result in json.loads(done.stdout)["results"]] == ["p1", "p2"]
    (request,) = triton.received
    sent = {name: request.values[name] for name in ("PLACEMENT", "SEED_PRODUCT_IDS", "USER_ID", "FILTER", "PAGE_SIZE")}
    assert sent == {
        "PLACEMENT": "rank",
        "SEED_PRODUCT_IDS": '["p1","p2"]',
        "USER_ID": "u",
        "FILTER": "price < 5",
        "PAGE_SIZE": 500,
    }


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["recommend"], ""),
        (
            ["recommend", "--exclude-purchased-days", "30", "--diversity", "0.5", "--collapse", "--explain"],
            {"exclude_purchased_days": 30.0, "diversity": 0.5, "collapse": True, "explain": True},
        ),
        (["recommend", "--placement", "product-page", "--seed", "p1", "--kind", "similar"], {"kind": "similar"}),
        (["recommend", "--placement", "cart", "--seed", "p1", "--bundles", "2"], {"bundles": 2}),
        (["similar", "p1", "--kind", "complementary"], {"kind": "complementary"}),
        (["rank", "p1", "--explain"], {"explain": True}),
    ],
)
def test_options_are_sent(triton, arguments, options):
    done = run(*arguments, "--server", triton.address)
    assert done.exit_code == 0, done.output
    (request,) = triton.received
    sent = request.values["OPTIONS"]
    assert (json.loads(sent) if sent else sent) == options


def test_bundles_are_printed(triton):
    products = [{"id": "p1", "title": "Cup", "added": False}, {"id": "p2", "title": "Saucer", "added": True}]
    bundle = {"products": products, "people": 9, "share": 0.25, "price": 7.5, "currency": "EUR"}
    triton.replies["recommend"] = lambda request, context: page({**PAGE, "bundles": [bundle]})
    arguments = ("recommend", "--placement", "cart", "--seed", "p1", "--bundles", "1", "--server", triton.address)
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    said = "bundle: p1 Cup + p2 Saucer: 9 people bought all of it, 25% of the times; together 7.50 EUR"
    assert said in " ".join(done.output.split())
    assert json.loads(run(*arguments, "--json").stdout)["bundles"] == [bundle]


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (["astrology=1"], "'astrology' is no source"),
        (["lately=1", "cart.lately=much"], "must be SOURCE=WEIGHT or a JSON file"),
        (["missing.json"], "missing.json cannot be read as JSON"),
    ],
)
def test_serve_refuses_sources_that_there_are_not(tmp_path, sources, says):
    options = [part for source in sources for part in ("--sources", source)]
    done = run("serve", "--catalog", str(tmp_path), *options)
    assert done.exit_code == 1
    assert says in " ".join(done.output.split())
