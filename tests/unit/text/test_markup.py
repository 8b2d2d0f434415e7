from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.catalog.product import parse_product
from mercato.errors import InvalidInputError
from mercato.text.markup import decode_references, to_plain_text

MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        # what stands inside a line does not part words, what stands around one does
        ("<b>W</b>ool", "Wool"),
        ("H<sub>2</sub>O", "H2O"),
        ("un<wbr>believable", "unbelievable"),
        ("Mug<br>Blue<br/>Large", "Mug\nBlue\nLarge"),
        ("<p>One</p><p>Two</p>", "One\nTwo"),
        ("<P CLASS=x>One<P>Two", "One\nTwo"),
        ("<ul><li>Oak<li>Ash</ul>", "Oak\nAsh"),
        ("<table><tr><td>Size</td><td>7</td></tr></table>", "Size\n7"),
        ("<td>Size</td><td>7</td>", "Size\n7"),
        ("<h2>Care</h2>Wash <i>cold</i>", "Care\nWash cold"),
        ("<div>\n  <span>Soft   cotton</span>\n</div>", "Soft cotton"),
        ("<select><option>S<option>M</select>", "S\nM"),
        # what nobody reads
        ('<span style="font-size:12px">Wash cold</span>', "Wash cold"),
        ("<style>p { color: red }</style>Red<script>if (a < b) { alert('<p>') }</script>", "Red"),
        ("Tea<!-- out of <b>stock</b> -->pot", "Teapot"),
        ("<!--[if gte mso 9]><xml>w</xml><![endif]-->Cup", "Cup"),
        ("<!DOCTYPE html><html><head><title>Cup</title></head><body>Blue</body></html>", "Cup\nBlue"),
        ('<?xml version="1.0"?>Cup', "Cup"),
        ('<iframe src="x">Your browser is old</iframe>Cup', "Cup"),
        ('<img src="a.jpg" alt="a > b">Cup', "Cup"),
        ("<style>p { color: red }", ""),
        ("<b></b> <br>", ""),
        # marks of other vocabularies: they end, or have quoted attributes
        ("Soft<o:p></o:p> cup", "Soft\ncup"),
        ("<g:price>12</g:price>", "12"),
        ("<my-widget>Cup</my-widget>", "Cup"),
        ('<svg viewBox="0 0 9 9"><path d="M1 1"/></svg>Cup', "Cup"),
        ("<![CDATA[Blue <b>cup</b>]]>", "Blue cup"),
        # what was cut off by a limit of some feed
        ('Blue cup <span style="font-fam', "Blue cup"),
        ("Blue cup</p", "Blue cup"),
        ("Blue cup <br", "Blue cup"),
        # quotes that never close
        ("<p class='x>It is a <b>cup</b>", "It is a cup"),
        ("Cup</span> blue", "Cup blue"),
    ],
)
def test_markup_is_taken_away(text: str, seen: str) -> None:
    assert to_plain_text(text) == seen


@pytest.mark.parametrize(
    "text",
    ["size <10 cm", "a < b", "a<b", "a<b and c>d", "a <b and c> d", "I <3 tea", "</3", "<12 months", "x<y>z", "x <b"]
    + ["List<String>", "<t-shirt>", "<-- here", "->", "<>", "5 > 3", "<", "a <!Sale> b", "<?>", "Q&A", "R&D", "AT&T"]
    + ["Pens &notebooks", "WiFi&ethernet", "Rock&roll", "&", "& more", "&;", "&#;", "?a=1&copy=2", "*bold* _it_ # one"]
    + ["[sic]", "[2 pcs]", "[my_code]", "[video]", "Größe 12 – 14", "面白い本", "می\u200cخواهم", "👨\u200d👩\u200d👧"]
    + ["Line one\nLine two\t end  ", "", " "],
)
def test_what_only_looks_like_markup_stays(text: str) -> None:
    assert to_plain_text(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Salt &amp; pepper", "Salt & pepper"),
        ("Caf&eacute; cup", "Café cup"),
        ("Caf&eacute", "Café"),
        ("Fran&ccedilais", "Français"),
        ("24&quot; screen", '24" screen'),
        ("Grandma&#39;s &#x27;best&#x27;", "Grandma's 'best'"),
        ("Grandma&#39s", "Grandma's"),
        ("grey &#8211; blue", "grey – blue"),
        ("&#128; 5", "€ 5"),  # the Windows-1252 that browsers read it as
        ("Caf&amp;eacute;", "Café"),
        ("Salt &amp;amp;amp; pepper", "Salt & pepper"),
        ("&lt;p&gt;Blue&lt;/p&gt;", "Blue"),
        ("&amp;lt;b&amp;gt;Blue&amp;lt;/b&amp;gt;", "Blue"),
        ("5 &lt; 6", "5 < 6"),
        ("&copy 2026", "© 2026"),
        ("Wool&nbsp;scarf", "Wool scarf"),
        ("Wool&nbspscarf", "Wool scarf"),
        ("so&shy;fa", "sofa"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ("&unknown;", "&unknown;"),
        ("&notin;", "∉"),
    ],
)
def test_references_become_characters(text: str, seen: str) -> None:
    assert to_plain_text(text) == seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Wool\u00a0scarf\u2009soft\u3000warm", "Wool scarf soft warm"),
        ("so\u00adfa\u200b\ufeff", "sofa"),
        ("1\u2028 2", "1\n 2"),
        ("so\u200cfa", "sofa"),
        ("so\ud800fa", "so\ufffdfa"),
    ],
)
def test_odd_spaces_and_invisible_characters(text: str, seen: str) -> None:
    assert to_plain_text(text) == seen


def test_page_builders_write_in_brackets() -> None:
    text = '[vc_row][vc_column width="1/2"]Blue cup[/vc_column][/vc_row]'
    assert to_plain_text(text).strip() == "Blue cup"
    text = '<p>[et_pb_text admin_label="Text"]Blue[/et_pb_text] [caption id="a_1"]A cup[/caption]</p>'
    assert to_plain_text(text) == "Blue A cup"


def test_clean_text_is_the_same_object() -> None:
    text = "Linen blouse, 12 cm"
    assert to_plain_text(text) is text


PIECES = ["<b>", "</b>", "<p>", "<br", "<script>", "</script>", "<!--", "-->", "<![CDATA[", "]]>", "<y>", "</y>", "p>"]
PIECES += ["&", "amp;", "lt;", "gt;", "&lt;", "&#60;", "&#", "38;", "nbsp", "[vc_row]", "[/gallery]", "[", "]", "vc_a "]
PIECES += [
    "<",
    ">",
    "/",
    "=",
    "='",
    '"',
    " x",
    " ",
    "\n",
    "b",
    "é",
    "\xa0",
    "\u200b",
    "\u200d",
    "\ud800",
    "\ufdd0",
    "\0",
]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_gives_text_that_stays_as_it_is(text: str) -> None:
    seen = to_plain_text(text)
    assert to_plain_text(seen) == seen


@pytest.mark.parametrize(
    "piece",
    ["<", "&", "<b>", "<div>", "</p>", "<table>", "<!--", "<a><b><i>x", "<a ", '<a b="', "<y>", "<y ", "<script>"]
    + ["[", "[vc_row ", "&#", "&amp;", "&lt;b&gt;", "<![CDATA[", "\u200b", "<p hidden", "<svg><style>", "<textarea>"],
)
def test_hostile_texts_are_read_without_end(piece: str) -> None:
    # Whatever grows with the square of its length does not come back from a megabyte.
    seen = to_plain_text(piece * (MEGABYTE // len(piece)))
    assert len(seen) <= MEGABYTE


def test_brackets_in_brackets_in_brackets_end() -> None:
    assert "<" not in to_plain_text("<" * 1_000 + "b>" * 1_000)


def make_product(**fields: Any) -> dict[str, Any]:
    return parse_product({"id": "a&amp;b", "title": "Cup", **fields}).as_dict()


def test_every_text_of_a_product_is_what_a_reader_sees() -> None:
    product = make_product(
        title="<b>Caf&eacute;</b><br>cup",
        description="<p>Blue &amp; white</p><p>Glazed</p>",
        brand="Mills &amp; Sons",
        categories=["Home &amp; Garden", "<i>Cups</i>", "<br>"],
        attributes={
            "care": "Wash&nbsp;cold<br>",
            "tags": ["<b>new</b>", "<br>"],
            "size&nbsp;EU": "7",
            "none": "<p></p>",
        },
    )
    assert product == {
        "id": "a&amp;b",
        "title": "Café cup",
        "description": "Blue & white\nGlazed",
        "brand": "Mills & Sons",
        "categories": ["Home & Garden", "Cups"],
        "availability": "IN_STOCK",
        "attributes": {"care": "Wash cold", "tags": ["new"], "size EU": "7"},
    }
    assert parse_product(product).as_dict() == product


def test_addresses_stay_as_they_are() -> None:
    address = "https://shop.example/?a=1&copy=2&lt=3"
    product = make_product(uri=address, image_uri=address, attributes={"manual": address})
    assert (product["uri"], product["image_uri"], product["attributes"]["manual"]) == (address, address, address)


def test_a_title_that_is_only_markup_is_blank() -> None:
    with pytest.raises(InvalidInputError, match="title: must be given and not be blank"):
        make_product(title="<p>&nbsp;</p>")


def test_limits_count_what_a_reader_sees() -> None:
    assert make_product(brand="<b class='of the brand'></b>" * 100 + "Mills")["brand"] == "Mills"
    with pytest.raises(InvalidInputError, match="description: must be at most 1,000,000 characters"):
        make_product(description="<" * 1_000_001)


def test_keys_lose_references_and_keep_the_rest() -> None:
    assert decode_references("size &lt;EU&gt; &amp;amp; UK") == "size <EU> & UK"


def test_patches_and_variants_are_read_alike() -> None:
    product = parse_product({"id": "a", "title": "Cup", "attributes": {"size&nbsp;EU": "7", "care": "cold"}})
    assert product.merged({"attributes": {"size&nbsp;EU": None}}).attributes == {"care": "cold"}
    assert product.merged({"attributes": {"size&nbsp;EU": "8&quot;"}}).attributes == {"care": "cold", "size EU": '8"'}
    assert product.merged({"title": "Tea&nbsp;cup"}).title == "Tea cup"
    variant = {"id": "a1", "title": "Cup,<br>blue &amp; white"}
    assert parse_product({"id": "a", "title": "Cup", "variants": [variant]}).variants[0].title == "Cup, blue & white"
