"""Titles: in capitals, too short, too long, with the brand again and again, with what is no title."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from mercato.catalog_report.finding import MODERATE, SEVERE, SLIGHT, Catalog, Finding, clip
from mercato.catalog_report.text_faults import find_copy_mark, is_placeholder

_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
# Scripts without spaces: a name has two or more of these, so that each counts for half a word.
_WORDLESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
#: Words of fewer letters are abbreviations as often as not (USB, LED, DVD-RW).
CAPITAL_LETTERS = 4
#: Once a word stands there for the third time it says nothing new ("3.5 mm male to 2.5 mm male" has it twice).
REPEATS = 3
#: A brand may be named once more as what the product is for ("HP toner for HP LaserJet").
_FOR = frozenset("for fits to with compatible für zu passend pour avec compatible para con per voor med till".split())
REPEATED_LETTERS = 4


def check_capitals(catalog: Catalog) -> Iterator[Finding]:
    """Find titles whose every letter is a capital, and which are no rows of abbreviations.

    What is an abbreviation the shop's other titles say: a word that is written in capitals there too.
    """
    capitals: Counter[str] = Counter()
    for title in catalog.titles:
        if not title.isupper():
            for word in _LETTERS.findall(title):
                if len(word) >= CAPITAL_LETTERS:
                    capitals[word.casefold()] += 1 if word.isupper() else -1
    abbreviations = frozenset(word for word, count in capitals.items() if count > 0)
    yield from _find(
        catalog,
        lambda title, brand: title if is_shouted(title, brand, abbreviations) else "",
        name="title-in-capitals",
        title="titles in capitals",
        harm="Words are found in either case, so that few searches suffer; but shoppers read such titles slower and"
        " click them less, and suggestions and answers show them as they are.",
        remedy="Write titles as in a sentence, with capitals for names and abbreviations.",
        weight=SLIGHT,
    )


def check_short(catalog: Catalog) -> Iterator[Finding]:
    """Find titles of one word beside the brand, in a shop whose titles usually say more.

    What is usual is the shop's median; in a shop with a median under 3 words a title of one word is its habit.
    """
    words = [count_words(title, brand) for title, brand in zip(catalog.titles, catalog.brands, strict=True)]
    if not words or float(np.median(words)) < 3:
        return
    usual = int(np.median(words))
    rows = [row for row, count in enumerate(words) if count <= 1]
    if rows:
        yield Finding(
            name="title-too-short",
            section="titles",
            title="titles that say too little",
            harm=f"One word is all that a search can match in the field that counts most (usual here are {usual}): the"
            " product is found by no other name, size or use.",
            remedy="Say in the title what it is, for what, of whom, and in which size or colour.",
            weight=MODERATE,
            rows=rows,
            values=lambda row: clip(catalog.titles[row]),
        )


def check_long(catalog: Catalog) -> Iterator[Finding]:
    """Find titles over the limit."""
    limit = catalog.thresholds.title_chars
    yield from _find(
        catalog,
        lambda title, _: f"{len(title)} characters" if len(title) > limit else "",
        name="title-too-long",
        title=f"titles of more than {limit} characters",
        harm="Each word of a long title counts less, such products match queries that they do not fit, and pages and"
        " other shops' feeds cut them off.",
        remedy="Keep the name in the title and move the rest into description and attributes.",
        weight=SLIGHT,
    )


def check_repeats(catalog: Catalog) -> Iterator[Finding]:
    """Find titles in which the brand, or another word, stands again and again."""
    yield from _find(
        catalog,
        find_repeated_brand,
        name="title-repeats-brand",
        title="titles that repeat the brand",
        harm="The brand counts several times over in word search, and less room is left for what the product is.",
        remedy="Name the brand once; it has a field of its own, which is searched too.",
        weight=SLIGHT,
    )
    yield from _find(
        catalog,
        find_repeated_word,
        name="title-repeats-word",
        title="titles that repeat a word",
        harm="A title filled with one word is ranked above better ones when that word is searched for.",
        remedy="Say each thing once.",
        weight=SLIGHT,
    )


def check_placeholders(catalog: Catalog) -> Iterator[Finding]:
    """Find titles that name no product, and those that a shop's system made when a product was copied."""
    yield from _find(
        catalog,
        lambda title, _: title if is_placeholder(title) else "",
        name="title-placeholder",
        title="titles that are placeholders",
        harm="Nobody finds the product by its name, and it is shown to those who search for something else.",
        remedy="Write the product's name, or take the product out of the feed.",
        weight=SEVERE,
    )
    yield from _find(
        catalog,
        lambda title, _: find_copy_mark(title),
        name="title-of-a-copy",
        title="titles that a copied product still has",
        harm="A copy that was never finished stands beside its original in every answer.",
        remedy="Finish the copy or take it out of the feed.",
        weight=MODERATE,
    )


def check_same_as_id(catalog: Catalog) -> Iterator[Finding]:
    """Find titles that are the id or a bare number."""
    rows = [
        row
        for row, product in catalog.products()
        if (product["title"] == product["id"] or not _LETTERS.search(product["title"]))
        and not is_placeholder(product["title"])
    ]
    if rows:
        yield Finding(
            name="title-is-a-code",
            section="titles",
            title="titles without a word",
            harm="Only who knows the code finds the product; meaning and words have nothing to go by.",
            remedy="Map the column that holds the name: --map title=COLUMN.",
            weight=SEVERE,
            rows=rows,
            values=lambda row: clip(catalog.titles[row]),
        )


def is_shouted(title: str, brand: str = "", abbreviations: frozenset[str] = frozenset()) -> bool:
    """Tell whether every letter of a title is a capital, in two words or more that are not written so by themselves.

    Args:
        title: of a product.
        brand: its words may be written in capitals.
        abbreviations: words that are, folded.
    """
    if not title.isupper():
        return False
    own = {word.casefold() for word in _LETTERS.findall(brand)} | abbreviations
    words = {word.casefold() for word in _LETTERS.findall(title) if len(word) >= CAPITAL_LETTERS}
    return len(words - own) >= 2


def count_words(title: str, brand: str) -> float:
    """Count the words of a title that are not the brand; characters of scripts without spaces count half.

    Numbers count: `5W30` says something. A word of signs does not.
    """
    wordless = len(_WORDLESS.findall(title))
    known = {word.casefold() for word in _WORD.findall(brand.replace("-", " "))}
    rest = _WORDLESS.sub(" ", title) if wordless else title
    words = [word for word in _WORD.findall(rest.replace("-", " ")) if word.casefold() not in known]
    return len(words) + wordless / 2


def find_repeated_brand(title: str, brand: str) -> str:
    """Say how often the brand stands in a title, if it does so twice; else empty.

    It may stand there once more after a word that says what the product is for.
    """
    if len(brand) < 2:
        return ""
    words = [word.casefold() for word in _WORD.findall(title)]
    wanted = [word.casefold() for word in _WORD.findall(brand)]
    size = len(wanted)
    if not size:
        return ""
    starts = [start for start in range(len(words) - size + 1) if words[start : start + size] == wanted]
    repeated = [start for start in starts[1:] if not _FOR & set(words[max(0, start - 2) : start])]
    return f"{brand}, {len(starts)} times" if repeated else ""


def find_repeated_word(title: str, brand: str) -> str:
    """Say which word of a title stands there `REPEATS` times or more; the brand's own words are left out."""
    known = {word.casefold() for word in _WORD.findall(brand)}
    counts = Counter(word.casefold() for word in _LETTERS.findall(title) if len(word) >= REPEATED_LETTERS)
    repeated = [(word, count) for word, count in counts.items() if count >= REPEATS and word not in known]
    return f"{repeated[0][0]}, {repeated[0][1]} times" if repeated else ""


def _find(
    catalog: Catalog, fault: Callable[[str, str], str], *, name: str, title: str, harm: str, remedy: str, weight: float
) -> Iterator[Finding]:
    """Yield the products of whose title and brand `fault` says something."""
    found = [
        (row, said)
        for row, (words, brand) in enumerate(zip(catalog.titles, catalog.brands, strict=True))
        if (said := fault(words, brand))
    ]
    if found:
        rows, values = zip(*found, strict=True)
        yield Finding(
            name=name, section="titles", title=title, harm=harm, remedy=remedy, weight=weight, rows=rows,
            values=[clip(value) for value in values],
        )  # fmt: skip


CHECKS = (check_capitals, check_short, check_long, check_repeats, check_placeholders, check_same_as_id)
