"""`mercato index`: from a file of products (and the events in state) to a catalogue snapshot."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mercato.catalog.product import TEXT_FIELDS, Product
from mercato.cli.moments import parse_moment, parse_past
from mercato.cli.output import Output
from mercato.errors import DataError, InvalidInputError
from mercato.index.search_weights import FieldWeights, FusionWeights, parse_fusion, parse_weights
from mercato.index.synonyms import SynonymRule, read_synonyms

if TYPE_CHECKING:
    from mercato.indexing.join_state import JoinedFeed
    from mercato.state.store import StateStore

_SHOWN_ERRORS = 20
EPILOG = "Example: mercato index products.parquet --out catalog --map title=name --state sqlite:state.db"


def index(
    products: Annotated[Path, typer.Argument(help="Products: .parquet, .csv or .jsonl (text also .gz).")],
    out: Annotated[Path, typer.Option(help="Name of the snapshot; servers are given this name.")],
    state: Annotated[str | None, typer.Option(help="sqlite:PATH; events to learn from, changes to apply.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="field=column, repeatable.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the file if any row is bad.")] = False,
    until: Annotated[
        str | None, typer.Option(help="Learn from events before this date or time alone; from all without.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="When the file was written: later live changes in state stay. Without: the file's own time."),
    ] = None,
    drop_unlisted: Annotated[
        bool, typer.Option("--drop-unlisted", help="Drop products that exist by earlier live upserts alone.")
    ] = False,
    encoder: Annotated[Path, typer.Option(help="Folder of the exported encoder.")] = Path("var/models/encoder"),
    language: Annotated[str, typer.Option(help="Language of the texts, for stemming.")] = "english",
    encode: Annotated[str, typer.Option(help="Fields whose text is encoded, in order.")] = ",".join(TEXT_FIELDS),
    weights: Annotated[
        str, typer.Option(help="What a word counts by field: title=2,attributes=0; others keep their default.")
    ] = "",
    fusion: Annotated[
        str, typer.Option(help="What words and vectors count in a search: words=1.5,dense=1,popular=0.5.")
    ] = "",
    synonyms: Annotated[
        Path | None, typer.Option(help="Synonyms in Solr's format: lines such as tv, television or kicks => sneakers.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Build a catalogue snapshot and switch it into place.

    The file is newer than the live changes in state that were made before it was written, and wins over them field by
    field; changes made after stay. What gave way to what is listed.
    """
    output = Output(as_json=as_json)
    with output.handle_errors():
        settings = SearchSettings.parse(weights, fusion, synonyms)
        moment = parse_moment(until, "--until")
        output.finish(
            build_index(
                products,
                out,
                state,
                mapping or [],
                strict,
                encoder,
                language,
                encode,
                output,
                settings,
                moment,
                as_of=parse_past(as_of, "--as-of"),
                drop_unlisted=drop_unlisted,
            )
        )


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What the snapshot keeps for searches.

    Attributes:
        weights: what a word counts by field.
        fusion: what words and vectors count.
        synonyms: the shop's.
    """

    weights: FieldWeights = FieldWeights()
    fusion: FusionWeights = FusionWeights()
    synonyms: tuple[SynonymRule, ...] = ()

    @classmethod
    def parse(cls, weights: str, fusion: str, synonyms: Path | None) -> SearchSettings:
        """Read the options of the command.

        Raises:
            MercatoError: one of them is wrong, or the file of synonyms cannot be used.
        """
        return cls(
            weights=parse_weights(weights),
            fusion=parse_fusion(fusion),
            synonyms=tuple(read_synonyms(synonyms)) if synonyms is not None else (),
        )


def build_index(
    source: Path,
    out: Path,
    state_url: str | None,
    mapping: list[str],
    strict: bool,
    encoder_folder: Path,
    language: str,
    encode: str,
    output: Output,
    search: SearchSettings | None = None,
    until: float | None = None,
    *,
    as_of: float | None = None,
    drop_unlisted: bool = False,
) -> dict[str, Any]:
    """Do the work of the command; returns what `--json` prints.

    Raises:
        MercatoError: the products, the state or the encoder cannot be used.
    """
    from mercato.cli.feed_summary import summarize_changes, tell_changes
    from mercato.indexing.build import BuildOptions, build_snapshot
    from mercato.models.encoder.onnx_encoder import OnnxEncoder
    from mercato.state.store import open_state
    from mercato.state.values import EventTable

    started = time.monotonic()
    model = OnnxEncoder(encoder_folder)
    rows, rejected = read_rows(source, mapping, output)
    if rejected and strict:
        raise DataError(f"{source.name}: {rejected} rows are bad and --strict was given; correct them or leave it out")
    store = open_state(state_url) if state_url else None
    output.say(f"{len(rows):,} products read, {rejected:,} bad rows left out")
    joined = join_changes(rows, source, mapping, store, out, as_of=as_of, drop_unlisted=drop_unlisted)
    tell_changes(joined, output, dropped=drop_unlisted)
    events = store.event_columns() if store else EventTable.empty()
    search = search or SearchSettings()
    options = BuildOptions(
        weights=search.weights,
        fusion=search.fusion,
        synonyms=search.synonyms,
        language=language,
        text_fields=_parse_fields(encode),
        until=until,
        product_sequence=joined.sequence,
        event_sequence=store.event_sequence() if store else 0,
        feed=joined.record,
        reuse=out,
    )
    with output.progress() as report:
        manifest = build_snapshot(joined.merged.products, events, model, out, options, report)
    if store is not None:
        store.note_catalog(str(out.absolute()))
    return {
        "snapshot": str(out),
        "products": manifest.products,
        "rejected": rejected,
        "texts": manifest.texts,
        "events": len(events) if until is None else int((events.time < until).sum()),
        "encoder": manifest.encoder,
        "weights": dict(search.weights.weights),
        "fusion": asdict(search.fusion),
        "synonyms": len(search.synonyms),
        **({"changes": summarize_changes(joined, dropped=drop_unlisted)} if store and output.as_json else {}),
        "seconds": round(time.monotonic() - started, 1),
    }


def _parse_fields(names: str) -> tuple[str, ...]:
    fields = tuple(name.strip() for name in names.split(",") if name.strip())
    unknown = sorted(set(fields) - set(TEXT_FIELDS))
    if unknown or "title" not in fields:
        raise InvalidInputError(
            "--encode", f"must name title and any of {', '.join(TEXT_FIELDS[1:])}, got {names[:200]!r}"
        )
    return fields


def read_rows(source: Path, mapping: list[str], output: Output) -> tuple[list[Product], int]:
    """Read a file of products; the first bad rows are shown, all are counted."""
    from mercato.catalog.column_mapping import parse_mapping
    from mercato.catalog.read import read_products
    from mercato.incoming import Rejected

    rows: list[Product] = []
    rejected = 0
    for batch in read_products(source, parse_mapping(mapping)):
        for item in batch:
            if not isinstance(item, Rejected):
                rows.append(item)
                continue
            rejected += 1
            if rejected <= _SHOWN_ERRORS:
                output.warn(f"{source.name} line {item.position}: {item.reason}")
    if rejected > _SHOWN_ERRORS:
        output.warn(f"... and {rejected - _SHOWN_ERRORS:,} more bad rows")
    return rows, rejected


def join_changes(
    rows: list[Product],
    source: Path,
    mapping: list[str],
    store: StateStore | None,
    replaced: Path,
    *,
    as_of: float | None,
    drop_unlisted: bool,
) -> JoinedFeed:
    """Join the file's products with the live changes in state.

    Raises:
        DataError: nothing is left to build of.
        MercatoError: state cannot be read.
    """
    from mercato.catalog.column_mapping import parse_mapping
    from mercato.catalog.patches import list_fields
    from mercato.indexing.join_state import join_state

    changed = store is not None and store.product_sequence() > 0
    fields = list_fields(source, parse_mapping(mapping)) if changed else ()
    joined = join_state(source, rows, store, replaced, fields=fields, as_of=as_of, drop_unlisted=drop_unlisted)
    if not joined.merged.products:
        raise DataError("the catalogue is empty: no row is a product")
    return joined
