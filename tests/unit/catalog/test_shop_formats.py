"""Exports of common shops go in without a mapping, with their own habits."""

# ruff: noqa: E501 (files as shops write them)

from pathlib import Path
from typing import Any

import pytest

from mercato.catalog.map_arguments import parse_mapping
from mercato.catalog.problems import ProductReport
from mercato.catalog.product import Product
from mercato.catalog.read import ProductFile, open_products
from mercato.errors import DataError, InvalidInputError

NOW = 1_714_557_600.0  # 2024-05-01T10:00:00Z


def open_text(folder: Path, text: str, name: str = "export.csv", **options: Any) -> ProductFile:
    (folder / name).write_text(text, encoding="utf-8")
    mapping = parse_mapping(options.pop("mapping", ()))
    return open_products(folder / name, mapping, now=NOW, **options)


def read(file: ProductFile) -> tuple[list[Product], ProductReport]:
    report = ProductReport()
    rows = [row for batch in file.read(report) for row in batch]
    assert all(isinstance(row, Product) for row in rows), rows
    return [row for row in rows if isinstance(row, Product)], report


SHOPIFY = """\
Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,Image Src,Status
polo,Polo shirt,<p>Soft &amp; light</p>,Lark,Shirts,"summer, cotton",Size,S,Color,Red,0071,0,deny,29.00,39.00,https://shop.test/p1.jpg,active
polo,,,,,,,M,,Red,0072,4,deny,29.00,39.00,,
polo,,,,,,,L,,Blue,0073,0,continue,31.00,,,
polo,,,,,,,,,,,,,,,https://shop.test/p2.jpg,
mug,Mug,,Kalla,Mugs,,Title,Default Title,,,MUG-1,9,deny,9.00,,https://shop.test/m.jpg,active
old,Old lamp,,Kalla,Lamps,,Title,Default Title,,,L-1,1,deny,5.00,,,draft
"""


def test_shopify_rows_of_a_handle_are_one_product(tmp_path: Path) -> None:
    file = open_text(tmp_path, SHOPIFY)
    assert "Shopify" in file.recognised
    products, report = read(file)
    polo, mug = products
    assert (polo.id, polo.title, polo.description, polo.brand) == ("polo", "Polo shirt", "Soft & light", "Lark")
    assert (polo.categories, polo.attributes["Tags"]) == (("Shirts",), ("summer", "cotton"))
    assert [(one.id, one.availability, one.attributes["Size"], one.attributes["Color"]) for one in polo.variants] == [
        ("0071", "OUT_OF_STOCK", "S", "Red"),
        ("0072", "IN_STOCK", "M", "Red"),
        ("0073", "BACKORDER", "L", "Blue"),
    ]
    assert (polo.price, polo.availability) == (29.0, "IN_STOCK")
    assert [one.price for one in polo.variants] == [29.0, 29.0, 31.0]
    assert polo.variants[0].attributes["original_price"] == 39
    assert mug.attributes == {"sku": "MUG-1"}
    assert [one.as_dict() for one in mug.variants] == [{"id": "MUG-1"}]  # orders and price lists name it
    assert (report.joined, report.pictures, report.hidden) == (2, 1, 1)
    assert report.summary == "2 products whole, 0 in part, 0 not at all"


def test_with_a_mapping_every_other_column_keeps_its_name(tmp_path: Path) -> None:
    options = ["id=Handle", "title=Title", "price=Variant Price"]
    products, _ = read(open_text(tmp_path, SHOPIFY, mapping=options))
    assert [one.attributes["Option1 Value"] for one in products[0].variants] == ["S", "M", "L"]


WOO = r"""ID,Type,SKU,Name,Published,Description,In stock?,Stock,Backorders allowed?,Weight (kg),Sale price,Regular price,Date sale price ends,Categories,Tags,Images,Parent,Attribute 1 name,Attribute 1 value(s)
10,variable,hood,Hoodie,1,"<p>Warm</p>",1,,0,",5",,,,"Clothing > Hoodies, Gifts","warm, soft","https://shop.test/a.jpg, https://shop.test/b.jpg",,Colour,"Red, Blue"
11,variation,hood-red,"Hoodie - Red",1,,1,3,0,",5","39,00","45,00",2024-06-01,,,,hood,Colour,Red
12,variation,hood-blue,"Hoodie - Blue",1,,0,0,1,",5",,"45,00",,,,,id:10,Colour,Blue
13,simple,pot,Pot,1,,backorder,,0,"1,25",,"1.299,00",,"Pots\, Pans > Copper",,,,,
14,simple,gone,Gone,0,,1,,0,,,"3,00",,,,,,,
15,variation,stray,"Stray - Green",1,,1,,0,,"8,00","9,00",2024-04-01,,,,nowhere,Colour,Green
"""


def test_woocommerce_variations_join_their_parent(tmp_path: Path) -> None:
    file = open_text(tmp_path, WOO)
    assert "WooCommerce" in file.recognised
    products, report = read(file)
    hoodie, pot, stray = products
    assert (hoodie.id, hoodie.categories) == ("10", ("Clothing", "Hoodies", "Gifts"))
    assert hoodie.image_uri == "https://shop.test/a.jpg"
    assert hoodie.attributes["Tags"] == ("warm", "soft") and hoodie.attributes["Weight (kg)"] == 0.5
    assert [(one.id, one.price, one.availability, one.attributes["Colour"]) for one in hoodie.variants] == [
        ("11", 39.0, "IN_STOCK", "Red"),
        ("12", 45.0, "BACKORDER", "Blue"),
    ]
    assert hoodie.variants[0].attributes["original_price"] == 45
    assert (pot.price, pot.availability, pot.categories) == (1299.0, "BACKORDER", ("Pots, Pans", "Copper"))
    assert (stray.id, stray.price) == ("15", 9.0), "a sale that is over; a parent that is not there"
    assert report.hidden == 1


MAGENTO = """\
sku,store_view_code,attribute_set_code,product_type,categories,product_websites,name,description,price,special_price,special_price_from_date,product_online,qty,is_in_stock,visibility,base_image,additional_attributes,configurable_variations
WS-S-Red,,Top,simple,"Default Category/Women/Tops,Default Category/New",base,Tank S Red,,29,,,1,0,0,Not Visible Individually,,"color=Red,size=S",
WS-M-Red,,Top,simple,"Default Category/Women/Tops",base,Tank M Red,,29,19,2024-01-01,1,7,1,Not Visible Individually,,"color=Red,size=M",
WS,,Top,configurable,"Default Category/Women/Tops",base,Tank,<p>Light</p>,,,,1,0,1,"Catalog, Search",/t.jpg,"activity=Gym|Yoga,pattern=Solid","sku=WS-S-Red,size=S,color=Red|sku=WS-M-Red,size=M,color=Red"
WS,de,Top,configurable,,base,Oberteil,,,,,,,,,,,
OFF,,Top,simple,,base,Off,,5,,,2,1,1,"Catalog, Search",,,
"""


def test_magento_configurables_take_their_simples(tmp_path: Path) -> None:
    file = open_text(tmp_path, MAGENTO)
    assert "Magento" in file.recognised
    ((tank,), report) = read(file)
    assert (tank.id, tank.title, tank.description) == ("WS", "Tank", "Light")
    assert tank.categories == ("Women", "Tops")
    assert tank.attributes["activity"] == ("Gym", "Yoga")
    assert [(one.id, one.price, one.availability, one.attributes["size"]) for one in tank.variants] == [
        ("WS-S-Red", 29.0, "OUT_OF_STOCK", "S"),
        ("WS-M-Red", 19.0, "IN_STOCK", "M"),
    ]
    assert report.hidden == 2


GOOGLE = (
    "id\ttitle\tlink\timage_link\tavailability\tavailability_date\tprice\tsale_price\tsale_price_effective_date\tgtin"
    "\tproduct_type\titem_group_id\tsize\n"
    "01\tRain jacket S\thttps://s.test/1\thttps://s.test/1.jpg\tin stock\t\t79,95 EUR\t59,95 EUR"
    "\t2024-04-24T11:07+0100/2024-05-29T23:07+0100\t00012345600012\tJackets > Rain\tRJ\tS\n"
    "02\tRain jacket M\thttps://s.test/2\t\tpreorder\t2024-11-25T13:00-0800\t79,95 EUR\t59,95 EUR"
    "\t2024-06-01T00:00Z/2024-06-09T00:00Z\t00012345600029\tJackets > Rain\tRJ\tM\n"
)


def test_google_merchant_in_tabs(tmp_path: Path) -> None:
    file = open_text(tmp_path, GOOGLE, "feed.txt")
    assert "Google Merchant" in file.recognised
    (small, medium), _ = read(file)
    assert (small.price, small.attributes["original_price"], small.currency) == (59.95, 79.95, "EUR")
    assert (small.attributes["gtin"], small.categories) == ("00012345600012", ("Jackets", "Rain"))
    assert (medium.price, medium.availability) == (79.95, "PREORDER"), "the sale has not begun"
    assert medium.available_time == "2024-11-25T21:00:00Z"
    ((joined,), report) = read(open_text(tmp_path, GOOGLE, "feed.txt", group_by="item_group_id"))
    assert joined.id == "RJ" and [one.id for one in joined.variants] == ["01", "02"]
    assert [one.title for one in joined.variants] == ["", "Rain jacket M"]
    assert report.joined == 1


def test_google_merchant_in_xml(tmp_path: Path) -> None:
    feed = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title><link>https://s.test</link>
<item><g:id>007</g:id><title>Caf&#233; cup &amp; saucer</title><link>https://s.test/7</link><g:price>12.50 GBP</g:price>
<g:availability>out_of_stock</g:availability><g:product_type>Kitchen &gt; Cups</g:product_type>
<g:additional_image_link>https://s.test/a.jpg</g:additional_image_link>
<g:shipping><g:country>DE</g:country><g:price>3 EUR</g:price></g:shipping></item></channel></rss>"""
    ((cup,), _) = read(open_text(tmp_path, feed, "feed.xml"))
    assert (cup.id, cup.title, cup.price, cup.currency) == ("007", "Café cup & saucer", 12.5, "GBP")
    assert (cup.availability, cup.categories, dict(cup.attributes)) == ("OUT_OF_STOCK", ("Kitchen", "Cups"), {})


def test_any_column_can_say_what_belongs_together(tmp_path: Path) -> None:
    text = "sku,model,name,size,colour,price\na1,A,Sock,38,grey,3\nb1,B,Cap,,red,9\na2,A,Sock,40,grey,4\n"
    products, report = read(open_text(tmp_path, text, mapping=["id=sku", "title=name"], group_by="model"))
    sock, cap = products
    assert (sock.id, sock.attributes, sock.price) == ("A", {"colour": "grey", "model": "A"}, 3.0)
    assert [(one.id, one.price, one.attributes["size"]) for one in sock.variants] == [("a1", 3.0, 38), ("a2", 4.0, 40)]
    assert (cap.id, [one.as_dict() for one in cap.variants]) == ("B", [{"id": "b1"}])
    assert report.joined == 1
    with pytest.raises(DataError, match=r"no column 'modell' \(--group-by modell\).*did you mean 'model'"):
        open_text(tmp_path, text, mapping=["id=sku", "title=name"], group_by="modell")


def test_a_format_can_be_named_or_turned_off(tmp_path: Path) -> None:
    text = "id,title,link,price,brand,availability\n1,Tea,https://s.test,2,Kalla,in stock\n"
    assert open_text(tmp_path, text).shop is not None
    assert open_text(tmp_path, text, format_name="plain").shop is None
    with pytest.raises(InvalidInputError, match="--format: must be one of auto, plain, shopify"):
        open_text(tmp_path, text, format_name="shopware")


def test_a_plain_file_is_of_no_format(tmp_path: Path) -> None:
    file = open_text(tmp_path, "id,title,price,brand,sku\n1,Tea,2,Kalla,T-1\n")
    assert file.shop is None
    assert [(one.column, one.meaning) for one in file.understood] == [
        ("id", "id"),
        ("title", "title"),
        ("price", "price"),
        ("brand", "brand"),
        ("sku", "attributes.sku"),
    ]


def test_shopify_stock_that_nobody_counts_is_for_sale(tmp_path: Path) -> None:
    text = """\
Handle,Title,Vendor,Product Category,Type,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Variant Compare At Price,Material (product.metafields.custom.material)
ring,Ring,Lark,Jewelry,Rings,Size,50,R50,,0,100.00,80.00,gold
ring,,,,,,52,R52,shopify,0,110.00,130.00,
"""
    (ring,), _ = read(open_text(tmp_path, text))
    assert [one.availability for one in ring.variants] == ["IN_STOCK", "OUT_OF_STOCK"]
    # what is said to have cost less before is no price of before
    assert [one.attributes.get("original_price") for one in ring.variants] == [None, 130.0]
    assert (ring.categories, ring.attributes["product_type"]) == (("Jewelry",), "Rings")
    assert ring.attributes["Material"] == "gold"


def test_google_names_lose_their_prefix(tmp_path: Path) -> None:
    text = "g:id,g:title,g:link,g:price,g:brand,g:gtin\nA1,Coat,https://shop.test/a1,EUR 79.95,Lark,00012345600012\n"
    (coat,), _ = read(open_text(tmp_path, text))
    assert (coat.price, coat.currency, coat.attributes) == (79.95, "EUR", {"gtin": "00012345600012"})


@pytest.mark.parametrize(
    "header",
    [
        "ID,Typ,Artikelnummer,Name,Veröffentlicht,Vorrätig?,Angebotspreis,Regulärer Preis,Kategorien,Attribut 1 Name,Attribut 1 Wert(e)",
        "ID,Type,UGS,Nom,Publié,En stock ?,Tarif promo,Tarif régulier,Catégories,Nom de l’attribut 1,Valeur(s) de l’attribut 1",
    ],
)
def test_woocommerce_in_other_languages(tmp_path: Path, header: str) -> None:
    text = (
        header
        + '\n1,simple,T-1,Cup,1,0,"8,50","9,90","Home > Cups, Gifts",Size,"S, M"\n2,simple,T-2,Jug,0,1,,12,Home,,\n'
    )
    file = open_text(tmp_path, text)
    assert "WooCommerce" in file.recognised
    (cup,), report = read(file)
    assert (cup.id, cup.title, cup.availability, cup.categories) == (
        "1",
        "Cup",
        "OUT_OF_STOCK",
        ("Home", "Cups", "Gifts"),
    )
    assert (cup.price, cup.attributes) == (8.5, {"Size": ("S", "M"), "original_price": 9.9, "sku": "T-1"})
    assert report.hidden == 1
