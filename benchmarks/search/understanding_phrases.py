"""How shoppers of five languages word conditions, written apart from the tables of the library."""

from __future__ import annotations

from typing import NamedTuple


class Measured(NamedTuple):
    """A field of measures.

    Attributes:
        key: of the attribute.
        unit: as a shopper writes it.
        also: other fields that the same words may mean.
    """

    key: str
    unit: str
    also: tuple[str, ...] = ()


PRICES = {
    "english": [
        ("under {a} dollars", "below"), ("for less than ${a}", "below"), ("below {a}", "below"),
        ("no more than {a} euros", "below"), ("up to {a} bucks", "below"), ("${a} or less", "below"),
        ("cheaper than {a} dollars", "below"), ("max {a} euro", "below"), ("between {a} and {b} dollars", "between"),
        ("from {a} to {b} euros", "between"), ("{a}-{b} usd", "between"), ("priced between {a} and {b}", "between"),
        ("over ${a}", "above"), ("at least {a} euros", "above"), ("starting at ${a}", "above"),
        ("more expensive than {a} dollars", "above"), ("with a price under {a}", "below"),
        ("within {a} dollars", "below"),
    ],
    "german": [
        ("unter {a} Euro", "below"), ("für weniger als {a} €", "below"), ("bis {a} Euro", "below"),
        ("maximal {a} €", "below"), ("höchstens {a} Euro", "below"), ("nicht teurer als {a} Euro", "below"),
        ("billiger als {a} €", "below"), ("zwischen {a} und {b} Euro", "between"), ("von {a} bis {b} €", "between"),
        ("{a} bis {b} Euro", "between"), ("ab {a} Euro", "above"), ("mindestens {a} €", "above"),
        ("über {a} Euro", "above"), ("teurer als {a} Euro", "above"), ("{a} Euro oder weniger", "below"),
        ("unter {a}€", "below"),
    ],
    "french": [
        ("moins de {a} €", "below"), ("à moins de {a} euros", "below"), ("pas plus de {a} euros", "below"),
        ("jusqu'à {a} €", "below"), ("pour {a} euros maximum", "below"), ("inférieur à {a} €", "below"),
        ("moins cher que {a} euros", "below"), ("entre {a} et {b} euros", "between"), ("de {a} à {b} €", "between"),
        ("plus de {a} €", "above"), ("à partir de {a} euros", "above"), ("au moins {a} €", "above"),
        ("max {a}€", "below"),
    ],
    "spanish": [
        ("por menos de {a} euros", "below"), ("menos de {a} €", "below"), ("hasta {a} euros", "below"),
        ("máximo {a} €", "below"), ("que cueste menos de {a} euros", "below"), ("no más de {a} euros", "below"),
        ("por debajo de {a} €", "below"), ("más barato que {a} euros", "below"), ("entre {a} y {b} euros", "between"),
        ("de {a} a {b} €", "between"), ("más de {a} euros", "above"), ("desde {a} euros", "above"),
        ("a partir de {a} €", "above"),
    ],
    "chinese": [
        ("{a}元以下", "below"), ("{a}元以内", "below"), ("低于{a}元", "below"), ("不超过{a}元", "below"),
        ("{a}块钱以内", "below"), ("价格在{a}元以下", "below"), ("{a}到{b}元", "between"), ("{a}-{b}元", "between"),
        ("{a}元到{b}元之间", "between"), ("{a}元以上", "above"), ("高于{a}元", "above"), ("至少{a}元", "above"),
        ("最多{a}元", "below"),
    ],
}  # fmt: skip
"""Language -> phrases with their shape: ``{a}`` is the first amount, ``{b}`` the second."""

MEASURES = {
    "english": [("at least {a} {unit}", "above"), ("less than {a} {unit}", "below"), ("more than {a}{unit}", "above"),
                ("{a} {unit} or more", "above"), ("up to {a} {unit}", "below"), ("{a}{unit}+", "above")],
    "german": [("mindestens {a} {unit}", "above"), ("weniger als {a} {unit}", "below"), ("ab {a} {unit}", "above"),
               ("maximal {a} {unit}", "below"), ("mehr als {a} {unit}", "above")],
    "french": [("au moins {a} {unit}", "above"), ("moins de {a} {unit}", "below"), ("plus de {a} {unit}", "above"),
               ("{a} {unit} minimum", "above")],
    "spanish": [("al menos {a} {unit}", "above"), ("menos de {a} {unit}", "below"), ("más de {a} {unit}", "above"),
                ("como mínimo {a} {unit}", "above")],
    "chinese": [("至少{a}{unit}", "above"), ("{a}{unit}以下", "below"), ("{a}{unit}以上", "above"),
                ("不低于{a}{unit}", "above")],
}  # fmt: skip

EXCLUSIONS = {
    "english": ["-{word}", "without {word}", "no {word}", "not {word}", "excluding {word}", "without any {word}"],
    "german": ["ohne {word}", "-{word}", "kein {word}", "außer {word}"],
    "french": ["sans {word}", "-{word}", "pas de {word}", "sauf {word}"],
    "spanish": ["sin {word}", "-{word}", "excepto {word}", "que no sea {word}"],
    "chinese": ["不要{word}", "不含{word}", "不带{word}", "没有{word}"],
}


def list_measured(shop: str) -> list[Measured]:
    """Return the fields of measures of a shop, with what was seen of them by eye."""
    memory = ("n_internal_memory", "n_ram_capacity", "n_total_storage_capacity", "n_total_ssds_capacity",
              "n_total_hdds_capacity", "n_hdd_capacity", "n_ssd_capacity", "n_capacity", "n_flash_memory",
              "n_internal_storage_capacity", "n_native_capacity")  # fmt: skip
    if shop != "icecat":
        return []
    return [
        Measured("n_internal_memory", "GB", memory),
        Measured("n_hdd_capacity", "GB", memory),
        Measured("n_flash_memory", "GB", memory),
        Measured("n_display_diagonal", "inch", ("n_size", "n_diagonal")),
        Measured("n_cable_length", "m"),
        Measured("n_processor_frequency", "GHz"),
        Measured("n_battery_capacity", "mAh"),
    ]
