"""What the attributes of a shop are about, by the words of their names in any language; another word is an entry."""

from __future__ import annotations

import re
from functools import cache

from mercato.grammar.tokens import fold

KINDS = {
    "colour": "color colors colour colours farbe farben couleur couleurs coloris colore colori kleur kleuren farve färg"
    " cor cores kolor barva 颜色 顏色 色",
    "size": "size sizes größe groesse taille pointure talla tallas taglia maat storlek tamanho rozmiar 尺码 尺寸",
    "material": "material materials materiale materiali materiaal matière matériau fabric stoff tessuto tejido tissu"
    " 材质 材料 面料",
    "pack": "pack packs package packung lot paquete 包装 装",
}
PACK_WORDS = frozenset("quantity count pieces units menge anzahl stück stueck quantité cantidad unidades 数量".split())
_WORDS = re.compile(r"[^\W\d_]+")


def list_name_words(key: str) -> frozenset[str]:
    """List the words of an attribute's name, folded, type prefixes of one letter aside."""
    return frozenset(
        word for word in map(fold, _WORDS.findall(key.replace("_", " "))) if len(word) > 1 or word > "\u3000"
    )


def find_kind(key: str) -> str:
    """Return what an attribute is about, by its name; empty where its name does not say."""
    words = list_name_words(key)
    for kind, names in _read_kinds().items():
        if words & names:
            return kind
    return ""


@cache
def _read_kinds() -> dict[str, frozenset[str]]:
    return {kind: frozenset(map(fold, names.split())) for kind, names in KINDS.items() if kind != "pack"}
