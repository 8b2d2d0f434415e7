"""Headers that WooCommerce writes in the language of whoever exports, given as its English ones. Declarations only."""

from __future__ import annotations

import re

# As `normal_name` gives them: small letters, one space between words.
_GERMAN = {
    "typ": "type",
    "artikelnummer": "sku",
    "gtin, upc, ean oder isbn": "gtin, upc, ean, or isbn",
    "veröffentlicht": "published",
    "ist hervorgehoben?": "is featured?",
    "sichtbarkeit im katalog": "visibility in catalog",
    "kurzbeschreibung": "short description",
    "beschreibung": "description",
    "datum, an dem angebotspreis beginnt": "date sale price starts",
    "datum, an dem angebotspreis endet": "date sale price ends",
    "steuerstatus": "tax status",
    "steuerklasse": "tax class",
    "vorrätig?": "in stock?",
    "lager": "stock",
    "bestand": "stock",
    "geringe lagermenge": "low stock amount",
    "rückstände erlaubt?": "backorders allowed?",
    "lieferrückstände erlaubt?": "backorders allowed?",
    "nur einzeln verkaufen?": "sold individually?",
    "kundenrezensionen erlauben?": "allow customer reviews?",
    "hinweis zum kauf": "purchase note",
    "angebotspreis": "sale price",
    "regulärer preis": "regular price",
    "kategorien": "categories",
    "schlagwörter": "tags",
    "versandklasse": "shipping class",
    "bilder": "images",
    "übergeordnetes produkt": "parent",
    "gruppierte produkte": "grouped products",
    "zusatzverkäufe": "upsells",
    "querverkäufe": "cross sells",
    "externe url": "external url",
    "button text": "button text",
    "marken": "brands",
}
_FRENCH = {
    "ugs": "sku",
    "nom": "name",
    "publié": "published",
    "mis en avant ?": "is featured?",
    "visibilité dans le catalogue": "visibility in catalog",
    "description courte": "short description",
    "date de début de promo": "date sale price starts",
    "date de fin de promo": "date sale price ends",
    "état de la tva": "tax status",
    "classe de tva": "tax class",
    "en stock ?": "in stock?",
    "tarif promo": "sale price",
    "tarif régulier": "regular price",
    "catégories": "categories",
    "étiquettes": "tags",
    "classe d'expédition": "shipping class",
    "produits groupés": "grouped products",
    "url externe": "external url",
    "marques": "brands",
}
_HEADERS = _GERMAN | _FRENCH
_ATTRIBUTES = (
    (re.compile(r"attribut (\d+) name|nom de l'attribut (\d+)"), "attribute {} name"),
    (re.compile(r"attribut (\d+) wert\(e\)|valeur\(s\) de l'attribut (\d+)"), "attribute {} value(s)"),
    (re.compile(r"attribut (\d+) sichtbar|attribut (\d+) visible"), "attribute {} visible"),
    (re.compile(r"attribut (\d+) global"), "attribute {} global"),
)


def translate_header(name: str) -> str:
    """Give the English header of one in another language; others as they are."""
    plain = name.replace("\u2019", "'").replace("\xa0", " ")
    for pattern, english in _ATTRIBUTES:
        match = pattern.fullmatch(plain) if "attribut" in plain else None
        if match:
            return english.format(next(filter(None, match.groups())))
    return _HEADERS.get(plain, name)
