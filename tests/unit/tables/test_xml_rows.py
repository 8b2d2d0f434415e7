"""XML feeds: RSS, Atom and lists of products; whatever they say of their encoding; what is not safe is refused."""

from pathlib import Path
from typing import Any

import pytest

from mercato.errors import DataError
from mercato.tables.open import open_table
from mercato.tables.table import Table

NAMESPACE = 'xmlns:g="http://base.google.com/ns/1.0"'


def open_bytes(folder: Path, content: str | bytes) -> Table:
    (folder / "feed.xml").write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(folder / "feed.xml")


def rows(table: Table) -> list[dict[str, Any]]:
    return [dict(row) for batch in table.read() for row in batch.rows()]


def test_rss_with_names_of_its_own(tmp_path: Path) -> None:
    table = open_bytes(
        tmp_path,
        f"""<?xml version="1.0"?><rss version="2.0" {NAMESPACE}><channel><title>A shop</title>
        <item><g:id>A1</g:id><title>Page of a mug</title><g:title>Mug</g:title><g:price>12.50 EUR</g:price>
        <g:additional_image_link>a</g:additional_image_link><g:additional_image_link>b</g:additional_image_link>
        <g:shipping><g:country>DE</g:country><g:price>4 EUR</g:price></g:shipping><g:gtin/></item>
        </channel></rss>""",
    )
    assert rows(table) == [
        {
            "id": "A1",
            "title": "Mug",
            "price": "12.50 EUR",
            "additional_image_link": ["a", "b"],
            "shipping": {"country": "DE", "price": "4 EUR"},
        }
    ]
    assert (table.format, table.rows) == ("XML", 1)


def test_atom(tmp_path: Path) -> None:
    table = open_bytes(
        tmp_path,
        f"""<feed xmlns="http://www.w3.org/2005/Atom" {NAMESPACE}><title>A shop</title>
        <entry><g:id>A1</g:id><title>Mug</title><link href="https://shop.example/a1"/></entry></feed>""",
    )
    assert rows(table) == [{"id": "A1", "title": "Mug", "link": "https://shop.example/a1"}]


def test_attributes_and_texts_in_brackets_of_their_own(tmp_path: Path) -> None:
    table = open_bytes(tmp_path, '<shop><product id="007"><title><![CDATA[Mug & <b>cup</b>]]></title></product></shop>')
    assert rows(table) == [{"@id": "007", "title": "Mug & <b>cup</b>"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "shift_jis", "gb18030", "big5"])
def test_encodings_that_are_declared(tmp_path: Path, encoding: str) -> None:
    title = "木のスプーン" if encoding == "shift_jis" else "木匙" if encoding in ("gb18030", "big5") else "Müsli"
    text = f'<?xml version="1.0" encoding="{encoding}"?><a><item><title>{title}</title></item></a>'
    assert rows(open_bytes(tmp_path, text.encode(encoding))) == [{"title": title}]


def test_a_declaration_that_is_not_true(tmp_path: Path) -> None:
    items = "".join(f"<item><title>Schüssel für Müsli {at}</title></item>" for at in range(5))
    wide = f'<?xml version="1.0" encoding="utf-16"?><a>{items}</a>'
    assert rows(open_bytes(tmp_path, wide.encode()))[0] == {"title": "Schüssel für Müsli 0"}
    small = f'<?xml version="1.0" encoding="utf-8"?><a>\n{items}</a>'
    table = open_bytes(tmp_path, small.encode("cp1252"))
    assert rows(table)[0] == {"title": "Schüssel für Müsli 0"}
    assert table.notes == ["read as Windows-1252, for it is no UTF-8 (--encoding NAME says another)"]


def test_what_exports_write_though_xml_has_no_such_thing(tmp_path: Path) -> None:
    text = "<a><item><title>Mug\x0b &nbsp;&eacute;&amp;nbsp;</title></item></a>"
    assert rows(open_bytes(tmp_path, text)) == [{"title": "Mug \u00a0é&nbsp;"}]


@pytest.mark.parametrize("pad", range(16_370, 16_390))
def test_a_reference_across_the_blocks_in_which_a_feed_is_read(tmp_path: Path, pad: int) -> None:
    text = f"<a><item><title>{'x' * (pad - 17)}&eacute;t&eacute;</title></item></a>"
    assert rows(open_bytes(tmp_path, text))[0]["title"].lstrip("x") == "été"


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]>',
        '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;&b;&b;"><!ENTITY e "&d;&d;&d;&d;">]>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1/a.dtd">%b;]>',
    ],
)
def test_entities_and_outside_documents_are_refused(tmp_path: Path, declared: str) -> None:
    with pytest.raises(DataError, match="declares entities or reads outside documents, which is not safe to read"):
        open_bytes(tmp_path, f"{declared}<a><item><title>&b;</title></item></a>")


@pytest.mark.parametrize(
    "text",
    [
        "<a><item><title>Mug</title></item>",
        "<a><item><title>Mug</item></a>",
        "<a><item><title>Mug &b; cup</title></item></a>",
        "<a></a><b></b>",
    ],
)
def test_what_is_not_well_formed_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"feed.xml is no well-formed XML \(.*line 1.*\); it is truncated or damaged"):
        open_bytes(tmp_path, text)


def test_no_products(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no products: no element is called entry, item, offer, product"):
        open_bytes(tmp_path, "<a><b>c</b></a>")


def test_elements_nested_without_end(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no well-formed XML"):
        open_bytes(tmp_path, f"<a><item>{'<b>' * 20_000}x{'</b>' * 20_000}</item></a>")
