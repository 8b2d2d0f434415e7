"""The 16 bytes by which an event is known again, so that it is accepted once.

Where the caller gives an ``event_id`` the key is its BLAKE2b hash. Where a file gives none, the key is derived from the
row's content and from how many equal rows came before it in the file: importing the same file twice adds nothing,
importing a file that has grown adds what is new, and two equal lines of one basket stay two events. An event sent
without an id gets a random key: it is new each time it is sent.

Derived and random keys begin with the event's second, so that keys of a file sorted by time arrive nearly in order:
the index over them then grows at its end instead of all over.
"""

import hashlib
import os
import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mercato.arrays import Float64, UInt64

KEY_BYTES = 16
KEY_PREFIX = "mercato-"
MAX_REMEMBERED_TEXTS = 500_000  # about 70 MB

_KEY_TEXT = re.compile(KEY_PREFIX + "([0-9a-f]{32})")
_SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)  # two lanes of 64 bits, from different odd constants
_NO_TEXT = (0x6A09E667F3BCC908, 0xBB67AE8584CAA73B)  # stands for a field that is not given (SHA-512's first words)


def key_of_event_id(event_id: str) -> bytes:
    """Hash a caller's event id into a key; an id made by ``key_text`` gives its key back."""
    match = _KEY_TEXT.fullmatch(event_id)
    if match is not None:
        return bytes.fromhex(match[1])
    return hashlib.blake2b(event_id.encode("utf-8"), digest_size=KEY_BYTES).digest()


def key_text(key: bytes) -> str:
    """Write a key as an event id, for events whose own id is not kept or was never given."""
    return KEY_PREFIX + key.hex()


def random_key(time: float) -> bytes:
    """Make a key for an event that has no id.

    Args:
        time: the event's, seconds since 1970, not negative.
    """
    return (int(time) & 0xFFFFFFFF).to_bytes(4, "big") + os.urandom(KEY_BYTES - 4)


class KeyDeriver:
    """Derives keys of rows without an id, one batch of a file after another.

    Remembers a 64-bit hash of each row (8 bytes a row) to count equal rows over the whole file.
    """

    def __init__(self) -> None:
        """Start a file."""
        self._runs: list[UInt64] = []
        self._digests: dict[str, bytes] = {}

    def derive_keys(
        self, *, texts: list[pa.Array], time: npt.NDArray[np.float64], numbers: list[npt.NDArray[np.generic]]
    ) -> npt.NDArray[np.uint8]:
        """Derive the keys of the next rows.

        Args:
            texts: Arrow string arrays [n], the text fields in a fixed order.
            time: float64 [n], seconds since 1970.
            numbers: arrays [n] of 1, 2, 4 or 8 bytes an element, the number fields in a fixed order. Bits count: two
                NaN of one bit pattern are equal.

        Returns:
            uint8 [n, 16]: 4 bytes of the time's second, 12 of the hash, both big-endian.
        """
        lanes = [np.full(len(time), seed, dtype=np.uint64) for seed in _SEEDS]
        for column in [time, *numbers]:
            bits = column.view(f"u{column.dtype.itemsize}").astype(np.uint64)
            lanes = [_mix(lane ^ bits) for lane in lanes]
        for text in texts:
            words = self._hash_texts(text)
            lanes = [_mix(lane ^ word) for lane, word in zip(lanes, words, strict=True)]
        occurrence = self._count_occurrences(lanes[0])
        lanes = [_mix(lane ^ occurrence) for lane in lanes]
        keys = np.empty((len(time), KEY_BYTES), dtype=np.uint8)
        keys[:, :4] = time.astype(np.int64).astype(">u4").view(np.uint8).reshape(-1, 4)
        keys[:, 4:12] = lanes[0].astype(">u8").view(np.uint8).reshape(-1, 8)
        keys[:, 12:] = lanes[1].astype(">u8").view(np.uint8).reshape(-1, 8)[:, :4]
        return keys

    def _count_occurrences(self, hashes: UInt64) -> UInt64:
        """Count, for each row, the equal rows before it in the file."""
        order = np.argsort(hashes, kind="stable")
        ranked = hashes[order]
        first = np.searchsorted(ranked, ranked, side="left")
        before = np.arange(len(hashes)) - first
        for run in self._runs:
            before += np.searchsorted(run, ranked, side="right") - np.searchsorted(run, ranked, side="left")
        counts = np.empty(len(hashes), dtype=np.uint64)
        counts[order] = before.astype(np.uint64)
        # Runs of like length are merged, so that few are searched however long the file is.
        self._runs.append(ranked)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")
            self._runs.append(merged)
        return counts

    def _hash_texts(self, text: pa.Array) -> tuple[UInt64, UInt64]:
        """Hash texts, each distinct one once, into two words of 64 bits."""
        encoded = text.dictionary_encode()
        known = self._digests
        if len(known) > MAX_REMEMBERED_TEXTS:
            known.clear()
        digests = []
        for value in encoded.dictionary.to_pylist():
            digest = known.get(value)
            if digest is None:
                digest = known[value] = hashlib.blake2b(value.encode("utf-8"), digest_size=KEY_BYTES).digest()
            digests.append(digest)
        table = np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)
        table = np.concatenate([table, np.array([_NO_TEXT], dtype=np.uint64)])
        indices = pc.fill_null(encoded.indices, len(table) - 1).to_numpy(zero_copy_only=False)
        return table[indices, 0], table[indices, 1]


class ActorCounter:
    """Numbers the events of each actor from 0, over the batches of a file."""

    def __init__(self) -> None:
        """Start a file."""
        self._seen: dict[str | None, int] = {}

    def number(self, users: pa.Array, visitors: pa.Array) -> Float64:
        """Number the next events: float64 [n], from 0 for the first of each user, or visitor where none is signed in.

        Args:
            users: Arrow string [n], null where not given.
            visitors: Arrow string [n], null where not given.
        """
        prefixed = pc.binary_join_element_wise("\x7f", visitors, "")  # no user id holds a control character
        encoded = pc.coalesce(users, prefixed, pa.scalar("")).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        names = encoded.dictionary.to_pylist()
        before = np.array([self._seen.get(name, 0) for name in names], dtype=np.int64)
        rows = np.argsort(codes, kind="stable")
        ranked = codes[rows]
        numbers = np.empty(len(codes), dtype=np.float64)
        numbers[rows] = np.arange(len(codes)) - np.searchsorted(ranked, ranked, side="left") + before[ranked]
        counts = before + np.bincount(codes, minlength=len(names))
        self._seen.update(zip(names, counts.tolist(), strict=True))
        return numbers


def _mix(word: UInt64) -> UInt64:
    """Scramble 64 bits: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
