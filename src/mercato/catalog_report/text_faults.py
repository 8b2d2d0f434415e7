"""Faults of one text: markup that was left, characters read in a wrong encoding, words that stand for nothing."""

from __future__ import annotations

import re
import unicodedata

from mercato.text.markup import to_plain_text

# What may be markup, to be shown; whether it is, `to_plain_text` knows.
_PIECE = re.compile(r"</?[a-zA-Z!][^<>]{0,80}>|&(?:#?[0-9a-zA-Z]{1,32});?")
#: A variable that a template did not fill, and the tags of forums.
_TEMPLATE = re.compile(
    r"\{\{.{0,60}?\}\}|\$\{\w[^}]{0,60}\}"
    r"|\[/?(?:b|i|u|url|img|color)\b[^\]]{0,60}\]|\{%.{0,60}?%\}"
)

# Two to four bytes of UTF-8 read as Windows-1252: a lead byte from C2 on, then bytes 80 to BF.
_CP1252_HIGH = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_CONTINUATION = f"[\x80-\xbf{_CP1252_HIGH}]"
_MISREAD = re.compile(f"[\xc2-\xdf]{_CONTINUATION}|[\xe0-\xef]{_CONTINUATION}{{2}}|[\xf0-\xf4]{_CONTINUATION}{{3}}")
_BYTE_OF = {character: character.encode("cp1252")[0] for character in _CP1252_HIGH}
_LOST = re.compile(r"[^\W\d_]\?[^\W\d_]")
#: Signs that may follow a word in capitals that ends in a letter with an accent ("CAFÉ®", "« CAFÉ»").
_TRAILING_SIGNS = frozenset("®™©»”’…–—°²³·")

_SPACE = re.compile(r"[\W_]+")
#: What people and programs write where there is nothing to write; each the whole value, folded.
NOTHING = frozenset(
    "n/a #n/a n.a. n.a #na null (null) nil nan undefined tbd tba t.b.d. todo to-do #ref! #value! #name? #div/0! xxx"
    " xxxx asdf asdfasdf placeholder dummy - -- --- . .. ... ? ?? ??? / _ * #".split(" ")
) | {"[object object]", "no description", "no title", "not available", "not applicable", "coming soon"}
#: Of a name or a title, not of an attribute: a bracelet's stone may well be "none".
NO_NAME = NOTHING | {
    *"test tests testing none unknown noname untitled na sample qwerty default".split(),
    *("no name", "no brand"),
}
_TRIAL = re.compile(
    r"(?:(?:my |a )?(?:test|dummy|sample|demo|example|placeholder)[\s_-]*"
    r"(?:products?|items?|articles?|artikel|produkte?|produits?|productos?|titles?|names?)?[\s_-]*#?\d*"
    r"|(?:product|item|artikel|produkt|produit|producto)[\s_-]*test[\s_-]*#?\d*)",
    re.IGNORECASE,
)
_LOREM = re.compile(r"\blorem ipsum\b", re.IGNORECASE)
_COPY = re.compile(
    r"^(?:copy of|kopie von|copie de|copia de|copia di|kopie van|kopia av) "
    r"|\((?:copy|kopie|copie|copia)(?: \d+)?\)$| - (?:copy|kopie|copie|copia)(?: \d+)?$",
    re.IGNORECASE,
)


def find_markup(text: str) -> str:
    """Return the first piece of markup in a text as it stands there, empty where there is none.

    Products are stripped of tags and references when they are read; what is found is of a snapshot from before that, or
    of a template. What only looks like markup (``<5 mm``, a name in angle brackets) `to_plain_text` tells.
    """
    if ("<" in text or "&" in text) and to_plain_text(text).split() != text.split():
        piece = next((found[0] for found in _PIECE.finditer(text) if to_plain_text(found[0]) != found[0]), text[:80])
        return piece.strip()
    if "{" in text or "[" in text:
        template = _TEMPLATE.search(text)
        if template:
            return template[0]
    return ""


def find_misread(text: str) -> str:
    """Return the first piece of a text that was read in a wrong encoding, empty where there is none.

    Found is what reads as UTF-8 once it is written as the Windows-1252 that it was taken for, the replacement
    character, and a control character of ISO 8859-1.
    """
    if text.isascii():
        return ""
    if "\ufffd" in text:
        position = text.index("\ufffd")
        return text[max(0, position - 8) : position + 9].strip()
    for found in _MISREAD.finditer(text):
        piece, start = found[0], found.start()
        before = text[start - 1 : start]
        if piece[1] in _TRAILING_SIGNS and before.isupper():
            continue
        try:
            read = bytes(_BYTE_OF.get(letter, ord(letter)) for letter in piece).decode("utf-8")
        except ValueError:
            continue
        # In Greek and Cyrillic every letter is two bytes: one lone pair may be what it seems.
        if read.isalpha() and piece[0] not in "ÂÃÄÅâ" and not _MISREAD.match(text, found.end()):
            continue
        if unicodedata.category(read[0])[0] in "LPSNZ":
            return text[max(0, start - 8) : found.end() + 8].strip()
    return ""


def find_lost_letter(text: str) -> str:
    """Return the word in which a question mark stands for a letter (``T?r``), empty where there is none."""
    if "?" not in text:
        return ""
    for word in text.split():
        if "/" not in word and "=" not in word and _LOST.search(word):
            return word
    return ""


def is_placeholder(text: str, *, name: bool = True) -> bool:
    """Tell whether a text stands for none.

    Args:
        text: the whole value.
        name: of a title, a brand or a category, where more words mean nothing than in an attribute.
    """
    folded = " ".join(text.casefold().split())
    if folded in (NO_NAME if name else NOTHING) or _LOREM.search(folded):
        return True
    return name and _TRIAL.fullmatch(folded) is not None


def find_copy_mark(text: str) -> str:
    """Return what says that a product was copied in the shop's office and never named, empty where nothing does."""
    found = _COPY.search(text)
    return found[0].strip() if found else ""


def fold_name(text: str) -> str:
    """Fold a name so that spellings which a person takes for one are one: case, accents, spaces, signs, ``&``."""
    text = text.replace("&", " and ")
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    folded = _SPACE.sub("", text.casefold())
    return folded or text.strip()


def fold_title(text: str) -> str:
    """Fold a title so that the same words in the same order are one text; signs between digits stay."""
    words = re.findall(r"\d+(?:[.,/]\d+)*|[^\W\d_]+", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words) or text.strip()
