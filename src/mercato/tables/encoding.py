"""How the text of a file is encoded: by its mark, as UTF-8 where that fits, else as a detector finds.

The boundary to charset-normalizer, which is asked about the lines that are not ASCII alone. Of little text it cannot
tell the Latin code pages apart: then Windows-1252 is taken where all its characters are letters of Western Europe.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mercato.errors import DataError, InvalidInputError
from mercato.tables.source import Source

_CHUNK = 1 << 20
_SAMPLE_BYTES = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What shops' systems write today besides UTF-8; the detector's other candidates are of old machines.
_CANDIDATES = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "koi8_r",
    "iso8859_2", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr",
)  # fmt: skip
_LATIN = frozenset({"cp1250", "cp1254", "cp1257", "cp1258", "iso8859_2"})
_WESTERN = frozenset(
    "äöüßÄÖÜéèêëàâáãåæçíìîïñóòôõøœúùûÿÉÈÊËÀÂÁÃÅÆÇÍÌÎÏÑÓÒÔÕØŒÚÙÛŸ€£§°®©™«»‹›„“”‚‘’–—…·•¡¿ºª½¼¾²³×±\u00a0"
)
#: How much surer the detector must be of another Latin code page.
_SURER = 0.1
#: Words of other scripts, read as Windows-1252, have nothing but letters with marks.
_MARKED_SHARE = 0.4
#: One line in so many that is no UTF-8 is a slip in a UTF-8 file, more are another encoding.
_SLIPS = 3


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to decode a file.

    Attributes:
        name: Python's name of the encoding.
        errors: the error handler.
        note: what a person should know of it; empty for UTF-8.
    """

    name: str
    errors: str = "strict"
    note: str = ""


def find_encoding(source: Source, wanted: str = "") -> Encoding:
    """Find out how a text file is encoded; reads it once.

    Args:
        source: the file.
        wanted: the encoding's name, where the user says it.

    Raises:
        InvalidInputError: no encoding has the name that is wanted.
        DataError: the file holds no text.
    """
    if wanted:
        try:
            name = codecs.lookup(wanted).name
            "".encode(name)
        except (LookupError, TypeError) as exc:
            raise InvalidInputError(
                "--encoding", f"{wanted[:40]!r} is no encoding", "for example utf-8, windows-1252, shift_jis"
            ) from exc
        return Encoding("utf-8-sig" if name == "utf-8" else name, "replace")
    with source.open() as file:
        head = file.read(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            note = "" if name == "utf-8-sig" else f"read as {name.upper()}, which its first bytes say"
            return Encoding(name, "strict" if name == "utf-8-sig" and _is_utf8(source) else "replace", note)
    wide = _find_wide(head)
    if wide:
        return Encoding(wide, "replace", f"read as {wide.upper()}")
    if head.count(b"\0") > len(head) // 100:
        raise DataError(f"{source.path.name} holds no text; {_REMEDY}")
    if _is_utf8(source):
        return Encoding("utf-8-sig")
    return _detect(source)


_REMEDY = "give a Parquet, CSV, JSON or XML file"


def _is_utf8(source: Source) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with source.open() as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _find_wide(head: bytes) -> str:
    """Tell UTF-16 without a mark: every second byte of its digits, delimiters and line ends is zero, and no other."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    for name, here, there in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if here > len(head) // 64 and there <= here // 8:
            text = head[: len(head) // 2 * 2].decode(name, "replace")
            strange = sum(not char.isprintable() and not char.isspace() for char in text) + text.count("\ufffd")
            if strange <= len(text) // 100:
                return name
    return ""


def _detect(source: Source) -> Encoding:
    sample = bytearray()
    good = bad = 0
    with source.open() as file:
        for line in _foreign_lines(file):
            try:
                line.decode("utf-8")
                good += 1
            except UnicodeDecodeError:
                bad += 1
                if len(sample) < _SAMPLE_BYTES:
                    sample += line[:_SAMPLE_BYTES]
    if good > _SLIPS * bad:
        lines = "1 line holds" if bad == 1 else f"{bad:,} lines hold"
        return Encoding("utf-8-sig", _SLIP_HANDLER, f"{lines} bytes that are no UTF-8; they were read as Windows-1252")
    name = _ask_detector(bytes(sample))
    return Encoding(name, "replace", f"read as {_display(name)}, for it is no UTF-8 (--encoding NAME says another)")


def _foreign_lines(file: BinaryIO) -> Iterator[bytes]:
    return (line for line in file if not line.isascii())


def _ask_detector(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=list(_CANDIDATES), preemptive_behaviour=False)
    best = matches.best()
    western = sample.decode("cp1252", "replace")
    if best is None:
        return "cp1252"
    if not _is_western(western):
        return best.encoding
    own = max((match.coherence for match in matches if match.encoding == "cp1252"), default=0.0)
    is_surer = best.encoding in _LATIN and str(best) != western and best.coherence > own + _SURER
    return best.encoding if is_surer else "cp1252"


def _is_western(text: str) -> bool:
    """Tell whether a text is one of Western Europe: letters with marks are the fewer of its letters."""
    letters = [char for char in text if char.isalpha()]
    marked = sum(not char.isascii() for char in letters)
    return marked < _MARKED_SHARE * len(letters) and all(char.isascii() or char in _WESTERN for char in text)


def _display(name: str) -> str:
    return f"Windows-{name[2:]}" if name.startswith("cp125") else name.upper().replace("_", "-")


_SLIP_HANDLER = "mercato.windows-1252"


def _decode_slip(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_SLIP_HANDLER, _decode_slip)
