"""Texts whose tags are all simple are read without a parser, and as the parser reads them."""

from hypothesis import example, given
from hypothesis import strategies as st

from mercato.text.markup import to_plain_text

PIECES = (
    "<p>", "</p>", '<P CLASS="a b">', "<br>", "<br />", "<br/>", "<li>", "</li>", '<h2 id="x">', "</h2>", "<b>", "</b>",
    '<span style="color: red; width: 5px">', "</span>", '<a href="/x?a=1">', "</a>", '<img src="a.jpg" alt="Mug"/>',
    "&nbsp;", "&amp;lt;", "&lt;p&gt;", "word", " ", "\n", "\t", "\u00a0", "é", "5 < 6", "a>b", "<3", '"', "'",
    "[caption]", "\u2028", "\x85", "\x1c", "<p", '<p title="a', "</", "日本",
)  # fmt: skip
# White space before a text does not count, and line ends of this kind are left to the parser.
PARSED = "\r"


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.characters(exclude_categories=["Cs"])), max_size=14).map("".join))
@example("<p>One</p><p>two</p>")
@example('<p title="<b>">One</p>')
@example("<p>60&nbsp;°C</p>")
def test_simple_tags_are_read_as_the_parser_reads_them(text: str) -> None:
    assert to_plain_text(f"<p>{text}</p>") == to_plain_text(f"{PARSED}<p>{text}</p>")


def test_what_simple_markup_becomes() -> None:
    text = '<p class="a">Warm <b>and</b> dry</p>\n<ul><li>100&nbsp;% wool</li>\n<li>2 x 3&nbsp;m</li></ul>'
    assert to_plain_text(text) == "Warm and dry\n100 % wool\n2 x 3 m"
