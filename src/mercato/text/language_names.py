"""Languages by the names that people give them: ``de``, ``de-DE``, ``deu`` and ``german`` are one."""

from __future__ import annotations

from dataclasses import dataclass

from mercato.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class Language:
    """A language.

    Attributes:
        code: of ISO 639-1, as requests name it.
        long_code: of ISO 639-3, as dictionaries are named.
        name: in English, as the Snowball stemmer calls it where it knows it.
        stemmed: whether Snowball has an algorithm of that name.
        joins_words: compounds are written in one word.
    """

    code: str
    long_code: str
    name: str
    stemmed: bool = True
    joins_words: bool = False


LANGUAGES: tuple[Language, ...] = (
    Language(code="ar", long_code="ara", name="arabic"),
    Language(code="ca", long_code="cat", name="catalan"),
    Language(code="cs", long_code="ces", name="czech", stemmed=False),
    Language(code="da", long_code="dan", name="danish", joins_words=True),
    Language(code="de", long_code="deu", name="german", joins_words=True),
    Language(code="el", long_code="ell", name="greek"),
    Language(code="en", long_code="eng", name="english"),
    Language(code="es", long_code="spa", name="spanish"),
    Language(code="fi", long_code="fin", name="finnish", joins_words=True),
    Language(code="fr", long_code="fra", name="french"),
    Language(code="hi", long_code="hin", name="hindi"),
    Language(code="hu", long_code="hun", name="hungarian", joins_words=True),
    Language(code="it", long_code="ita", name="italian"),
    Language(code="ja", long_code="jpn", name="japanese", stemmed=False),
    Language(code="ko", long_code="kor", name="korean", stemmed=False),
    Language(code="nl", long_code="nld", name="dutch", joins_words=True),
    Language(code="no", long_code="nor", name="norwegian", joins_words=True),
    Language(code="pl", long_code="pol", name="polish", stemmed=False),
    Language(code="pt", long_code="por", name="portuguese"),
    Language(code="ro", long_code="ron", name="romanian"),
    Language(code="ru", long_code="rus", name="russian"),
    Language(code="sv", long_code="swe", name="swedish", joins_words=True),
    Language(code="tr", long_code="tur", name="turkish"),
    Language(code="zh", long_code="zho", name="chinese", stemmed=False),
)
_BY_NAME = {name: language for language in LANGUAGES for name in (language.code, language.long_code, language.name)}


def find_language(name: str) -> Language | None:
    """Return the language of a code, a tag (``zh-Hant-TW``) or a name; None for one that is not listed."""
    return _BY_NAME.get(name.strip().lower().replace("_", "-").partition("-")[0])


def parse_language(name: str, parameter: str) -> Language:
    """Return the language of a name.

    Raises:
        InvalidInputError: it is not listed; ``parameter`` is what the caller calls it.
    """
    found = find_language(name)
    if found is None:
        known = ", ".join(f"{language.code} ({language.name})" for language in LANGUAGES)
        raise InvalidInputError(parameter, f"must be one of {known}, got {name[:60]!r}")
    return found
