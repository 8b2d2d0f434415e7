"""`mercato export`: models for serving, each behind a parity gate; engines again, and their configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from mercato.cli.offline import Say, run_export
from mercato.cli.output import Output
from mercato.errors import InvalidInputError
from mercato.models.engine.manifest import HardwareCompatibility

if TYPE_CHECKING:
    from mercato_export.options import BuildOptions

export_app = typer.Typer(help="Export models for serving, each behind a parity gate.", no_args_is_help=True)

# Those of mercato_export.options, which is only imported once a command runs; a test holds them equal.
TOLERANCE = 0.005
INT8_TAU_TOLERANCE = 0.05
SEQUENCE_TOLERANCE = 0.02
TIMING_CACHE = Path("var/cache/tensorrt")
MINILM = "sentence-transformers/all-MiniLM-L6-v2"

TargetOption = Annotated[
    str,
    typer.Option(
        help="onnx: fp32 ONNX alone. int8: int8 ONNX for CPU beside it. fp16: what engines are built from. tensorrt, "
        "tensorrt-rtx: an engine. torch: a PyTorch program. Several with commas."
    ),
]
OutOption = Annotated[Path, typer.Option(help="Folder to write; replaced as a whole, or left as it is on failure.")]
TextsOption = Annotated[Path | None, typer.Option(help="Your product texts: parquet, csv, jsonl or txt.")]
TextColumnOption = Annotated[str | None, typer.Option(help="Column of --texts.")]
ToleranceOption = Annotated[
    float, typer.Option(help="Most that a smaller precision may lose, in nDCG@10, recall@100 or Kendall's tau.")
]
CapabilityOption = Annotated[
    list[str] | None, typer.Option(help="Build for GPUs of this compute capability, as 8.6; can be given repeatedly.")
]
CompatibilityOption = Annotated[
    str, typer.Option(help="none: this GPU. ampere_plus: one engine for newer GPUs too, some slower on each.")
]
TimingOption = Annotated[Path, typer.Option(help="Folder of timings kept between builds of engines.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@export_app.command(epilog="Example: mercato export encoder --target int8 --out var/models/encoder")
def encoder(
    target: TargetOption = "int8",
    out: OutOption = Path("var/models/encoder"),
    model: Annotated[
        str, typer.Option(help="Name on the Hugging Face hub; found in an installed package where one has it.")
    ] = MINILM,
    revision: Annotated[str | None, typer.Option(help="Commit of --model on the hub; the one that is known.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder with model.safetensors, config.json, tokenizer.json of --model.")
    ] = None,
    pooling: Annotated[str | None, typer.Option(help="mean or cls; as the model says.")] = None,
    query_prefix: Annotated[
        str | None, typer.Option(help="Before each query, as 'query: '; as the model says.")
    ] = None,
    product_prefix: Annotated[
        str | None, typer.Option(help="Before each product text, as 'passage: '; as the model says.")
    ] = None,
    multilingual: Annotated[
        bool | None, typer.Option(help="Whether it reads queries of all languages; as the model's name says.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Expected sha256 of model.safetensors; '' takes any.")] = None,
    products_encoder: Annotated[
        Path | None,
        typer.Option(
            "--products", help="Encoder that products keep, where --weights are of a query side alone; a folder."
        ),
    ] = None,
    texts: TextsOption = None,
    text_column: TextColumnOption = None,
    ratings: Annotated[
        Path | None, typer.Option(help="Folder with products.parquet and judgements.parquet to measure quality on.")
    ] = None,
    rated_products: Annotated[int, typer.Option(help="Products of --ratings to search; 0 for all.", min=0)] = 0,
    tolerance: ToleranceOption = TOLERANCE,
    compute_capability: CapabilityOption = None,
    hardware_compatibility: CompatibilityOption = "none",
    timing_cache: TimingOption = TIMING_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Export the text encoder with pooling and normalisation inside the graph, prefixes in its manifest."""

    def work(report: Say) -> dict[str, Any]:
        report("loading PyTorch and weights")
        from mercato_export.encoder import describe_encoder
        from mercato_export.pipeline import export_model
        from mercato_export.query_side import find_products, join_query_side, require_products
        from mercato_export.sentence_format import find_format
        from mercato_export.texts import read_texts
        from mercato_export.weights import find_model, locate_weights

        of_products = find_products(weights)
        products_folder = products_encoder or Path("var/models/encoder")
        if of_products is not None:
            require_products(products_folder, of_products)
        samples, origin = read_texts(texts, column=text_column)
        located = locate_weights(find_model(model, revision=revision), folder=weights, sha256=sha256)
        exportable = describe_encoder(
            located,
            samples,
            text_format=find_format(
                located.folder,
                model,
                pooling=pooling,
                query_prefix=query_prefix,
                product_prefix=product_prefix,
                multilingual=multilingual,
            ),
            ratings=ratings,
            product_limit=rated_products,
            tolerance=tolerance,
        )
        measured_on = {"texts": origin, **({"ratings": ratings.name} if ratings else {})}
        options = _read_build_options(compute_capability, hardware_compatibility, timing_cache)

        def write(folder: Path) -> dict[str, Any]:
            return export_model(
                exportable, target=target, out=folder, parity_source=measured_on, report=report, engine=options
            )

        return write(out) if of_products is None else join_query_side(products_folder, write, out)

    _export(work, out=out, as_json=as_json)


@export_app.command(epilog="Example: mercato export speed --encoder var/models/encoder")
def speed(
    encoder: Annotated[Path, typer.Option(help="Folder that mercato export encoder --out wrote.")] = Path(
        "var/models/encoder"
    ),
    rounds: Annotated[int, typer.Option(help="Rounds; the least time of each batch counts.", min=1)] = 20,
    texts: TextsOption = None,
    text_column: TextColumnOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the exported encoder's int8 with its fp32 and with PyTorch, one thread each."""

    def work(report: Say) -> dict[str, Any]:
        report("loading PyTorch and weights")
        from mercato_export.speed import measure_speed
        from mercato_export.texts import read_texts
        from mercato_export.weights import find_exported_model, locate_weights

        samples, _ = read_texts(texts, column=text_column)
        located = locate_weights(find_exported_model(encoder))
        return measure_speed(encoder, located, samples, rounds=rounds, report=report)

    output = Output(as_json=as_json)
    result = run_export(work, output)
    if as_json:
        output.finish(result)


@export_app.command(epilog="Example: mercato export ranker --weights var/training/ranker --out var/models/ranker")
def ranker(
    weights: Annotated[Path, typer.Option(help="Folder that mercato train ranker --out wrote.")],
    target: TargetOption = "onnx",
    out: OutOption = Path("var/models/ranker"),
    loader: Annotated[str, typer.Option(help="MODULE:FUNCTION that loads another network.")] = "",
    catalog: Annotated[
        Path | None, typer.Option(help="Catalogue snapshot to take real candidate lists from; drawn ones without.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="State store of that catalogue: sqlite:PATH.")] = None,
    encoder_folder: Annotated[Path, typer.Option("--encoder", help="Exported encoder of that catalogue.")] = Path(
        "var/models/encoder"
    ),
    tolerance: ToleranceOption = TOLERANCE,
    compute_capability: CapabilityOption = None,
    hardware_compatibility: CompatibilityOption = "none",
    timing_cache: TimingOption = TIMING_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Export a trained ranker."""

    def work(report: Say) -> dict[str, Any]:
        report("loading PyTorch and weights")
        from mercato_export.networks.loading import find_loader
        from mercato_export.pipeline import export_model
        from mercato_export.ranker import describe_ranker

        lists = None
        if catalog is not None:
            from mercato_export.lists import collect_lists

            report(f"collecting candidate lists from {catalog}")
            lists = collect_lists(catalog, encoder=encoder_folder, state=state)
        exportable = describe_ranker(weights, load=find_loader("ranker", loader), lists=lists, tolerance=tolerance)
        source = {"lists": "drawn" if lists is None else "retrieved"}
        options = _read_build_options(compute_capability, hardware_compatibility, timing_cache)
        return export_model(exportable, target=target, out=out, parity_source=source, report=report, engine=options)

    _export(work, out=out, as_json=as_json)


@export_app.command(epilog="Example: mercato export reranker --weights var/models/reranker-training --target int8")
def reranker(
    weights: Annotated[Path, typer.Option(help="Folder that mercato train reranker --out wrote.")],
    target: TargetOption = "int8",
    out: OutOption = Path("var/models/reranker"),
    loader: Annotated[str, typer.Option(help="MODULE:FUNCTION that loads another network.")] = "",
    catalog: Annotated[
        Path | None, typer.Option(help="Catalogue snapshot to take real candidate lists from; --texts without.")
    ] = None,
    encoder_folder: Annotated[Path, typer.Option("--encoder", help="Exported encoder of that catalogue.")] = Path(
        "var/models/encoder"
    ),
    texts: TextsOption = None,
    text_column: TextColumnOption = None,
    tolerance: ToleranceOption = TOLERANCE,
    int8_tau_tolerance: Annotated[
        float, typer.Option(help="Most that int8's Kendall tau may miss of 1; --tolerance holds for its nDCG@10.")
    ] = INT8_TAU_TOLERANCE,
    compute_capability: CapabilityOption = None,
    hardware_compatibility: CompatibilityOption = "none",
    timing_cache: TimingOption = TIMING_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Export a trained reranker."""

    def work(report: Say) -> dict[str, Any]:
        report("loading PyTorch and weights")
        from mercato_export.lists import collect_pairs, sample_pairs
        from mercato_export.networks.loading import find_loader
        from mercato_export.pipeline import export_model
        from mercato_export.reranker import describe_reranker
        from mercato_export.texts import read_texts

        if catalog is not None:
            report(f"collecting candidate lists from {catalog}")
            lists, origin = collect_pairs(catalog, encoder=encoder_folder), "retrieved"
        else:
            samples, origin = read_texts(texts, column=text_column)
            lists = sample_pairs(samples)
        exportable = describe_reranker(
            weights,
            lists,
            load=find_loader("reranker", loader),
            tolerance=tolerance,
            int8_tau_tolerance=int8_tau_tolerance,
        )
        options = _read_build_options(compute_capability, hardware_compatibility, timing_cache)
        return export_model(
            exportable, target=target, out=out, parity_source={"lists": origin}, report=report, engine=options
        )

    _export(work, out=out, as_json=as_json)


@export_app.command(epilog="Example: mercato export sequence --weights var/models/sequence-training --target onnx")
def sequence(
    weights: Annotated[Path, typer.Option(help="Folder that mercato train sequence --out wrote.")],
    target: TargetOption = "onnx",
    out: OutOption = Path("var/models/sequence"),
    loader: Annotated[str, typer.Option(help="MODULE:FUNCTION that loads another network.")] = "",
    tolerance: ToleranceOption = SEQUENCE_TOLERANCE,
    compute_capability: CapabilityOption = None,
    hardware_compatibility: CompatibilityOption = "none",
    timing_cache: TimingOption = TIMING_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Export a trained sequence model with its products."""

    def work(report: Say) -> dict[str, Any]:
        report("loading PyTorch and weights")
        from mercato_export.networks.loading import find_loader
        from mercato_export.pipeline import export_model
        from mercato_export.sequence import describe_sequence

        exportable = describe_sequence(weights, load=find_loader("sequence", loader), tolerance=tolerance)
        options = _read_build_options(compute_capability, hardware_compatibility, timing_cache)
        return export_model(
            exportable, target=target, out=out, parity_source={"histories": "drawn"}, report=report, engine=options
        )

    _export(work, out=out, as_json=as_json)


@export_app.command(epilog="Example: mercato export engine var/models/encoder --target tensorrt")
def engine(
    folder: Annotated[Path, typer.Argument(help="Folder that mercato export MODEL --target tensorrt wrote.")],
    target: Annotated[str, typer.Option(help="tensorrt or tensorrt-rtx.")] = "tensorrt",
    compute_capability: CapabilityOption = None,
    hardware_compatibility: CompatibilityOption = "none",
    timing_cache: TimingOption = TIMING_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Build a model's engine again, for this machine, from the graph beside it."""

    def work(report: Say) -> dict[str, Any]:
        from mercato_export.rebuild import rebuild_engine

        options = _read_build_options(compute_capability, hardware_compatibility, timing_cache)
        return rebuild_engine(folder, target=target, options=options, report=report).model_dump(mode="json")

    output = Output(as_json=as_json)
    # The graph is there: building needs TensorRT alone, no PyTorch.
    built = run_export(work, output, extra=None)
    if as_json:
        output.finish(built)
    else:
        size_mb = built["engine"]["bytes"] / 1e6
        output.say(f"wrote {folder / built['engine']['file']}: {size_mb:.1f} MB in {built['build_seconds']:.1f} s")


@export_app.command(epilog="Example: mercato export config")
def config(
    repository: Annotated[Path, typer.Option(help="The model repository.")] = Path("model_repository"),
    as_json: JsonOption = False,
) -> None:
    """Write the default config.pbtxt of every engine from its declaration."""

    def work(report: Say) -> dict[str, Any]:
        from mercato_export.config import write_configs

        written = [str(path) for path in write_configs(repository)]
        for path in written:
            report(f"wrote {path}")
        return {"written": written}

    output = Output(as_json=as_json)
    result = run_export(work, output, extra=None)
    if as_json:
        output.finish(result)


def _read_build_options(capabilities: list[str] | None, compatibility: str, timing_cache: Path) -> BuildOptions:
    from mercato_export.options import BuildOptions

    levels = get_args(HardwareCompatibility)
    if compatibility not in levels:
        raise InvalidInputError(
            "--hardware-compatibility", f"must be one of {', '.join(levels)}, got {compatibility!r}"
        )
    return BuildOptions(
        capabilities=tuple(capabilities or ()),
        compatibility=cast(HardwareCompatibility, compatibility),
        timing_cache=timing_cache,
    )


def _export(work: Callable[[Say], dict[str, Any]], *, out: Path, as_json: bool) -> None:
    """Export a model and say what was written: the manifest as JSON, or one line."""
    output = Output(as_json=as_json)
    manifest: Mapping[str, Any] = run_export(work, output)
    if as_json:
        output.finish(manifest)
        return
    sizes = ", ".join(f"{name} {record['bytes'] / 1e6:.1f} MB" for name, record in manifest["files"].items())
    output.say(f"wrote {out}: {sizes}")
