"""`mercato index`: from a file of products (and the events in state) to a catalogue snapshot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from mercato.catalog.product import TEXT_FIELDS
from mercato.catalog.shop_formats import FORMAT_NAMES
from mercato.cli.moments import parse_moment, parse_past
from mercato.cli.output import Output
from mercato.cli.product_file import Reading, collector_relaxed, describe, open_file, read_file, summarize
from mercato.errors import DataError, InvalidInputError
from mercato.index.search_weights import FieldWeights, FusionWeights, parse_fusion, parse_weights
from mercato.index.synonyms import SynonymRule, read_synonyms
from mercato.text.language_names import Language, parse_language

_SOME_NOT_AT_ALL = 3
# people were told of these on the way, and in the last line
_ONLY_JSON = (
    "file", "rows", "whole", "in_part", "rejected", "variant_rows", "not_for_sale", "left_out", "left_out_values",
    "errors", "summary",
)  # fmt: skip
EPILOG = "Example: mercato index products.parquet --out catalog --map title=name --state sqlite:state.db"


def index(
    products: Annotated[
        Path, typer.Argument(help="Products: CSV, JSON, XML or Parquet, also .gz or .zip (docs/feeds.md).")
    ],
    out: Annotated[Path | None, typer.Option(help="Name of the snapshot; servers are given this name.")] = None,
    state: Annotated[str | None, typer.Option(help="sqlite:PATH; events to learn from, changes to apply.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="field=column, repeatable.")] = None,
    format_name: Annotated[
        str, typer.Option("--format", help=f"Shop system that wrote the file: {', '.join(FORMAT_NAMES)}.")
    ] = "auto",
    group_by: Annotated[str, typer.Option(help="Column whose value is the same in all rows of one product.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of a text file, where it is not found right.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check the file, say how it was understood, and build nothing.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the file if any product does not go in whole.")
    ] = False,
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
    language: Annotated[
        str, typer.Option(help="Language of the texts, for stemming; several with commas, auto, or title_fr=french.")
    ] = "english",
    encode: Annotated[str, typer.Option(help="Fields whose text is encoded, in order.")] = ",".join(TEXT_FIELDS),
    vectors: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of vectors that `mercato encode` wrote, repeatable; what it lacks is encoded."),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="What a word counts by field: title=2,attributes=0; others keep their default.")
    ] = "",
    fusion: Annotated[
        str, typer.Option(help="What words and vectors count in a search: words=1.5,dense=1,popular=0.5,chosen=1.")
    ] = "",
    synonyms: Annotated[
        Path | None, typer.Option(help="Synonyms in Solr's format: lines such as tv, television or kicks => sneakers.")
    ] = None,
    glosses: Annotated[
        str, typer.Option(help="Languages of queries besides: their words are looked up in a dictionary, as zh,de,es.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Build a catalogue snapshot and switch it into place.

    The file is newer than the live changes in state that were made before it was written, and wins over them field by
    field; changes made after stay. What gave way to what is listed.

    The last line says how many products went in whole, in part and not at all. Exit status: 0 all went in, in whole or
    in part; 3 some not at all; 1 nothing was built.
    """
    output = Output(as_json=as_json)
    reading = Reading(
        mapping=mapping or [], format_name=format_name, group_by=group_by, encoding=encoding, strict=strict
    )
    with output.handle_errors():
        settings = SearchSettings.parse(weights, fusion, synonyms, glosses)
        moment = parse_moment(until, "--until")
        if dry_run:
            result = check_file(products, reading, output)
        elif out is None:
            raise InvalidInputError("--out", "must be given", "or --dry-run, which builds nothing")
        else:
            result = build_index(
                products,
                out,
                state,
                reading,
                encoder,
                language,
                encode,
                output,
                settings,
                moment,
                as_of=parse_past(as_of, "--as-of"),
                drop_unlisted=drop_unlisted,
                vectors=vectors or (),
            )
        shown = {name: result[name] for name in result if name not in _ONLY_JSON}
        if "recommendations" in shown:
            shown["recommendations"] = shown["recommendations"]["said"]
        output.finish(result if as_json else shown)
        output.say(result["summary"])
    if result["rejected"]:
        raise typer.Exit(_SOME_NOT_AT_ALL)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What the snapshot keeps for searches.

    Attributes:
        weights: what a word counts by field.
        fusion: what words and vectors count.
        synonyms: the shop's.
        glosses: other languages of queries.
    """

    weights: FieldWeights = FieldWeights()
    fusion: FusionWeights = FusionWeights()
    synonyms: tuple[SynonymRule, ...] = ()
    glosses: tuple[Language, ...] = ()

    @classmethod
    def parse(cls, weights: str, fusion: str, synonyms: Path | None, glosses: str = "") -> SearchSettings:
        """Read the options of the command.

        Raises:
            MercatoError: one of them is wrong, or the file of synonyms cannot be used.
        """
        return cls(
            weights=parse_weights(weights),
            fusion=parse_fusion(fusion),
            synonyms=tuple(read_synonyms(synonyms)) if synonyms is not None else (),
            glosses=tuple(parse_language(name, "--glosses") for name in glosses.split(",") if name.strip()),
        )


def check_file(source: Path, reading: Reading, output: Output) -> dict[str, Any]:
    """Read a file and build nothing; returns what `--json` prints.

    Raises:
        MercatoError: the file cannot be used.
    """
    file = open_file(source, reading)
    describe(file, output)
    products, report = read_file(file, reading, output)
    return {"products": len(products), **summarize(file, report)}


def build_index(
    source: Path,
    out: Path,
    state_url: str | None,
    reading: Reading,
    encoder_folder: Path,
    language: str,
    encode: str,
    output: Output,
    search: SearchSettings | None = None,
    until: float | None = None,
    *,
    as_of: float | None = None,
    drop_unlisted: bool = False,
    vectors: Sequence[Path] = (),
) -> dict[str, Any]:
    """Do the work of the command; returns what `--json` prints.

    Raises:
        MercatoError: the products, the state or the encoder cannot be used.
    """
    from mercato.cli.feed_summary import summarize_changes, tell_changes
    from mercato.index.bundles import read_bundles
    from mercato.index.layout import BUNDLES
    from mercato.index.match_floor import SETTING
    from mercato.index.snapshot import read_settings
    from mercato.index.source_tuning import read_tuning
    from mercato.indexing.build import BuildOptions, build_snapshot
    from mercato.indexing.encoded_shards import count_known, read_shards
    from mercato.indexing.join_state import join_state
    from mercato.models.encoder.manifest import read_manifest
    from mercato.models.encoder.onnx_encoder import OnnxEncoder
    from mercato.state.store import open_state
    from mercato.state.values import EventTable

    started = time.monotonic()
    model = OnnxEncoder(encoder_folder)
    known, missing = read_shards(vectors, model)
    if missing:
        named = ", ".join(shard.name for shard in missing[:5]) + (" and more" if len(missing) > 5 else "")
        output.warn(f"--vectors lack {named}: the texts of these shards are encoded here")
    file = open_file(source, reading)
    describe(file, output)
    rows, read = read_file(file, reading, output)
    store = open_state(state_url) if state_url else None
    joined = join_state(source, rows, store, out, fields=file.mapping.fields, as_of=as_of, drop_unlisted=drop_unlisted)
    if not joined.merged.products:
        raise DataError("the catalogue is empty: no row is a product")
    tell_changes(joined, output, dropped=drop_unlisted)
    events = store.event_columns() if store else EventTable.empty()
    search = search or SearchSettings()
    options = BuildOptions(
        weights=search.weights,
        fusion=search.fusion,
        synonyms=search.synonyms,
        glosses=search.glosses,
        language=language,
        multilingual=read_manifest(encoder_folder).serving.multilingual,
        text_fields=parse_fields(encode),
        until=until,
        product_sequence=joined.sequence,
        event_sequence=store.event_sequence() if store else 0,
        feed=joined.record,
        queries=tuple(store.search_queries()) if store and until is None else (),
        vectors=tuple(known),
        reuse=out,
    )
    with output.progress() as report, collector_relaxed():
        manifest = build_snapshot(joined.merged.products, events, model, out, options, report)
    if store is not None:
        store.note_catalog(str(out.absolute()))
    return {
        "snapshot": str(out),
        "products": manifest.products,
        "texts": manifest.texts,
        **({"vectors": count_known(out.resolve(), known)} if vectors else {}),
        "events": len(events) if until is None else int((events.time < until).sum()),
        "encoder": manifest.encoder,
        "weights": dict(search.weights.weights),
        "fusion": asdict(search.fusion),
        SETTING: read_settings(out)[SETTING],
        "recommendations": read_tuning(out.resolve()).describe(),
        "bundles": len(read_bundles(out.resolve() / BUNDLES)),
        "synonyms": len(search.synonyms),
        **({"glosses": [language.code for language in search.glosses]} if search.glosses else {}),
        **summarize(file, read),
        **({"changes": summarize_changes(joined, dropped=drop_unlisted)} if store and output.as_json else {}),
        "seconds": round(time.monotonic() - started, 1),
    }


def parse_fields(names: str) -> tuple[str, ...]:
    """Read the option that says which fields are encoded.

    Raises:
        InvalidInputError: one is no field of texts, or the title is missing.
    """
    fields = tuple(name.strip() for name in names.split(",") if name.strip())
    unknown = sorted(set(fields) - set(TEXT_FIELDS))
    if unknown or "title" not in fields:
        raise InvalidInputError(
            "--encode", f"must name title and any of {', '.join(TEXT_FIELDS[1:])}, got {names[:200]!r}"
        )
    return fields
