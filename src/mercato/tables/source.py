"""The bytes of a file, unpacked: plain, gzip, or the one file of a zip archive."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mercato.errors import DataError

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
# What people save where they meant a table: first bytes -> what it is.
_NO_TABLES = {
    b"\xd0\xcf\x11\xe0": "an old spreadsheet or document (.xls)",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"SQLite format 3": "an SQLite database",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_SAVE_AS = "save it as CSV in UTF-8 (or unpack it) and give that file"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of a table are.

    Attributes:
        path: the file.
        name: its name without what packs it; its suffix says the format.
        packing: how it is packed: ``""``, ``gz`` or ``zip``.
        member: of a zip archive, the file in it.
    """

    path: Path
    name: str
    packing: str = ""
    member: str = ""

    @property
    def suffix(self) -> str:
        """The suffix of the name, in small letters, with its point."""
        return PurePosixPath(self.name).suffix.lower()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the bytes, unpacked.

        Raises:
            DataError: they end too soon, or are damaged (also while they are read, within the `with` block).
        """
        try:
            if self.packing == "zip":
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                    yield file  # type: ignore[misc]
            elif self.packing == "gz":
                with gzip.open(self.path, "rb") as file:
                    yield file  # type: ignore[misc]
            else:
                with self.path.open("rb") as file:
                    yield file
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as exc:
            raise DataError(
                f"{self.path.name} cannot be read to its end ({in_one_line(exc)}); it is truncated or damaged,"
                " fetch it again"
            ) from exc


def find_source(path: Path, *, need: str = "") -> Source:
    """Find out how a file is packed, by its first bytes.

    Args:
        path: the file.
        need: what is said of an empty file besides, for messages.

    Raises:
        DataError: there is no such file, it is empty, or it is of a kind that holds no table; the message says what to
            do.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file" if not path.exists() else f"{path} is no file")
    try:
        with path.open("rb") as file:
            first = file.read(16)
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if not first:
        raise DataError(f"{path.name} is empty (0 bytes){need}")
    for magic, kind in _NO_TABLES.items():
        if first.startswith(magic):
            raise DataError(f"{path.name} is {kind}; {_SAVE_AS}")
    if first.startswith(_GZIP):
        return Source(path, path.name[:-3] if path.suffix.lower() == ".gz" else path.name, "gz")
    if first.startswith(_ZIP):
        return _find_member(path)
    if path.suffix.lower() == ".gz":
        # what a browser or a mirror has unpacked on the way keeps the name
        return Source(path, path.name[:-3])
    return Source(path, path.name)


def _find_member(path: Path) -> Source:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as exc:
        raise DataError(
            f"{path.name} cannot be read as a zip archive ({in_one_line(exc)}); it is truncated or damaged"
        ) from exc
    names = {info.filename for info in infos}
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise DataError(f"{path.name} is a spreadsheet or document; {_SAVE_AS}")
    files = [
        info
        for info in infos
        if not info.filename.endswith("/")
        and not info.filename.startswith("__MACOSX/")
        and not PurePosixPath(info.filename).name.startswith(".")
    ]
    if len(files) != 1:
        held = ", ".join(info.filename for info in files[:5]) or "none"
        raise DataError(f"{path.name} holds {len(files)} files ({held}); unpack it and give one of them")
    if files[0].compress_type not in _METHODS:
        raise DataError(f"{path.name} is packed in a way that cannot be read here; unpack it and give the file in it")
    if files[0].flag_bits & 1:
        raise DataError(f"{path.name} is encrypted; unpack it with its password and give the file in it")
    return Source(path, PurePosixPath(files[0].filename).name, "zip", files[0].filename)


def in_one_line(error: BaseException) -> str:
    """Give what a foreign error says as a part of a sentence: on one line, not too long."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
