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
        (
            [
                *("recommend", "--novelty", "0.2", "--coverage", "1", "--margin", "0.5", "--margin-field", "margin"),
                *("--relevance-floor", "0.3", "--cap", "brand=3", "--cap", "attributes.seller=30%", "--no-adult"),
            ],
            {
                "novelty": 0.2,
                "coverage": 1.0,
                "margin": 0.5,
                "margin_field": "margin",
                "relevance_floor": 0.3,
                "caps": [{"field": "brand", "count": 3}, {"field": "attributes.seller", "share": 0.3}],
                "adult": False,
            },
        ),
        (
            ["search", "tea", "--novelty", "0.2", "--cap", "brand=1", "--adult"],
            {"novelty": 0.2, "caps": [{"field": "brand", "count": 1}], "adult": True},
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


@pytest.mark.parametrize("cap", ["brand", "=3", "brand=", "brand=many", "brand=%"])
def test_a_cap_that_is_none_is_refused_before_anybody_is_asked(cap):
    done = run("recommend", "--cap", cap, "--server", "127.0.0.1:1")
    assert done.exit_code == 1
    assert "--cap" in done.output
    assert "write brand=3 or brand=30%" in " ".join(done.output.split())
