"""Text as it comes in: queries made regular, words for the word index, markup, numbers, times."""

from mercato.text.normalize import QUERY_LIMIT_CHARS, TextRole, decode_utf8, normalize_query
from mercato.text.timestamps import find_day_order, format_timestamp, parse_timestamp, read_timestamp
from mercato.text.words import Chunk, WordAnalyzer, list_words

__all__ = [
    "QUERY_LIMIT_CHARS",
    "Chunk",
    "TextRole",
    "WordAnalyzer",
    "decode_utf8",
    "find_day_order",
    "format_timestamp",
    "list_words",
    "normalize_query",
    "parse_timestamp",
    "read_timestamp",
]
