"""The collection of a snapshot: what it is called, what is in it, and that it is whole and belongs to the snapshot.

A collection is named after the address and the snapshot's fingerprint, so that the next one is filled beside it, and
servers of the old and the new snapshot each find theirs while one takes the other's place.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from mercato.errors import CollectionError
from mercato.index import layout
from mercato.index.dense import EF_CONSTRUCTION, HNSW_M
from mercato.index.manifest import Manifest
from mercato.milvus.address import MilvusAddress
from mercato.milvus.connection import translate
from mercato.milvus.facts import MOST_TOKENS, TOKENS, name_range

FORMAT = 1
"""Of what is in a collection; counts into the fingerprint."""
TEXT, VECTOR = "text", "vector"
METRIC = "IP"
LEVEL = "Bounded"
"""Of consistency: a collection never changes once it is filled, and what is fresh comes from the delta."""
_FILES = (layout.DENSE_INDEX, layout.TEXTS, layout.COLUMNS, layout.COLUMNS_META)
"""Files of a snapshot that a collection is made from."""
_FINGERPRINT_CHARS = 16


@dataclass(frozen=True, kw_only=True)
class CollectionFacts:
    """What a collection says of itself, in its description.

    Attributes:
        fingerprint: of the snapshot that it was made from.
        texts: how many it has once it is whole.
        dimension: length of a vector.
        fields: number fields whose ranges it holds, in their order.
    """

    fingerprint: str
    texts: int
    dimension: int
    fields: tuple[str, ...]

    def write(self) -> str:
        """Write it as JSON."""
        return json.dumps({"mercato": {**vars(self), "format": FORMAT}})


def compute_fingerprint(manifest: Manifest) -> str:
    """Return what tells snapshots apart whose vectors, texts or filter columns differ: 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{FORMAT}".encode())
    for name in _FILES:
        digest.update(f"\0{name}\0{manifest.files[name].sha256}".encode())
    return digest.hexdigest()


def name_collection(address: MilvusAddress, manifest: Manifest) -> str:
    """Return the name of a snapshot's collection."""
    return f"{address.collection}_{compute_fingerprint(manifest)[:_FINGERPRINT_CHARS]}"


def list_others(client: Any, address: MilvusAddress, name: str) -> list[str]:
    """List the collections of the same shop that were made from other snapshots, sorted."""
    names = [other for other in client.list_collections() if other != name]
    ours = [
        other
        for other in names
        if other.rpartition("_")[0] == address.collection and len(other.rpartition("_")[2]) == _FINGERPRINT_CHARS
    ]
    return sorted(other for other in ours if read_facts(client, other) is not None)


def read_facts(client: Any, name: str) -> CollectionFacts | None:
    """Read what a collection says of itself; None where it is none of ours, or of another format."""
    try:
        said = json.loads(client.describe_collection(name)["description"])["mercato"]
        if said.pop("format") != FORMAT:
            return None
        return CollectionFacts(**{**said, "fields": tuple(said["fields"])})
    except (ValueError, KeyError, TypeError):
        return None


def create_collection(client: Any, name: str, facts: CollectionFacts) -> None:
    """Create an empty collection: text number, vector, and what filters are asked of; not yet indexed."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False, description=facts.write())
    schema.add_field(TEXT, DataType.INT64, is_primary=True)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=facts.dimension)
    schema.add_field(TOKENS, DataType.ARRAY, element_type=DataType.INT64, max_capacity=MOST_TOKENS)
    for position in range(len(facts.fields)):
        for bound in name_range(position):
            schema.add_field(bound, DataType.DOUBLE)
    client.create_collection(name, schema=schema, consistency_level=LEVEL)


def index_collection(client: Any, name: str) -> None:
    """Index the vectors of a filled collection, wait for it, and load it for searches."""
    parameters = client.prepare_index_params()
    parameters.add_index(
        VECTOR,
        index_type="HNSW",
        metric_type=METRIC,
        params={"M": HNSW_M, "efConstruction": EF_CONSTRUCTION},
    )
    client.create_index(name, parameters)
    client.load_collection(name)


def check_collection(client: Any, address: MilvusAddress, manifest: Manifest, *, timeout_s: float) -> CollectionFacts:
    """Check that the collection of a snapshot is there, whole, indexed as it is searched, and loaded.

    One that is not loaded, as after a restart of the server, is loaded.

    Args:
        client: from `connect`.
        address: where it is.
        manifest: of the snapshot.
        timeout_s: seconds of each call.

    Returns:
        What it says of itself.

    Raises:
        CollectionError: it is not; the message has the command that fills it.
        DenseError: the server cannot be asked.
    """
    name = name_collection(address, manifest)
    remedy = "fill it: mercato dense load --catalog CATALOG --dense " + describe(address)
    with translate(address):
        if not client.has_collection(name, timeout=timeout_s):
            others = list_others(client, address, name)
            held = f" ({', '.join(others)} belong to other snapshots)" if others else ""
            raise CollectionError(f"Milvus at {address.uri} has no collection {name} of this snapshot{held}; {remedy}")
        facts = read_facts(client, name)
        expected = (compute_fingerprint(manifest), manifest.texts, manifest.dimension)
        if facts is None or (facts.fingerprint, facts.texts, facts.dimension) != expected:
            raise CollectionError(f"collection {name} was not made from this snapshot; {remedy}")
        index = client.describe_index(name, VECTOR, timeout=timeout_s)
        if index is None:
            raise CollectionError(f"collection {name} is not indexed: it was not filled to the end; {remedy}")
        if index.get("metric_type") != METRIC:
            raise CollectionError(f"collection {name} has metric {index.get('metric_type')}, not {METRIC}; {remedy}")
        client.load_collection(name, timeout=timeout_s)
        texts = count_texts(client, name, timeout_s=timeout_s)
        if texts != manifest.texts:
            raise CollectionError(f"collection {name} has {texts:,} texts instead of {manifest.texts:,}; {remedy}")
    return facts


def count_texts(client: Any, name: str, *, timeout_s: float) -> int:
    """Count the texts of a loaded collection."""
    [row] = client.query(name, filter="", output_fields=["count(*)"], timeout=timeout_s)
    return int(row["count(*)"])


def describe(address: MilvusAddress) -> str:
    """Write an address as people give it."""
    return f"{'milvus+tls' if address.tls else 'milvus'}://{address.uri.partition('://')[2]}/{address.collection}"
