"""The store that is measured: the demo's, unless other folders are named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness.command import BenchmarkError
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer
from mercato.settings import Settings

VAR = Path(__file__).resolve().parents[2] / "var"

CatalogOption = Annotated[Path, typer.Option(help="catalogue snapshot")]
StateOption = Annotated[Path, typer.Option(help="SQLite file with the store's events")]
EncoderOption = Annotated[Path, typer.Option(help="folder of the exported encoder")]
RankerOption = Annotated[Path, typer.Option(help="folder of the exported ranker")]
RoundsOption = Annotated[int, typer.Option(min=1, help="how often each measurement is repeated, in turn")]
WindowOption = Annotated[float, typer.Option(min=0.5, help="seconds of one measurement window")]

CATALOG = VAR / "demo" / "catalog"
STATE = VAR / "demo" / "state.db"
ENCODER = VAR / "models" / "encoder"
RANKER = VAR / "demo" / "ranker"


@dataclass(frozen=True, kw_only=True)
class Store:
    """A catalogue and all that is served with it.

    Attributes:
        catalog: the catalogue snapshot.
        state: SQLite file with the store's events.
        encoder: folder of the exported encoder.
        ranker: folder of the exported ranker.
    """

    catalog: Path = CATALOG
    state: Path = STATE
    encoder: Path = ENCODER
    ranker: Path = RANKER

    @property
    def settings(self) -> Settings:
        """What a pipeline of this process is built from; it gives no answer again.

        Raises:
            BenchmarkError: something of it does not exist.
        """
        missing = [path.name for path in (self.catalog, self.state, self.encoder, self.ranker) if not path.exists()]
        if missing:
            raise BenchmarkError(f"store: {', '.join(missing)} not found; run make demo first, or name the folders")
        return Settings(
            catalog=self.catalog,
            state=f"sqlite:{self.state}",
            encoder=self.encoder,
            ranker=self.ranker,
            answer_cache_mb=0,
        )

    @contextmanager
    def serve(
        self,
        profile: str = "cpu",
        reranker: Path | None = None,
        answer_cache_mb: int = 0,
        repository: Path | None = None,
    ) -> Iterator[TritonServer]:
        """Serve the store on free ports for as long as the context lasts.

        Args:
            profile: ``cpu`` fuses the stages, ``cpu-bls`` calls a Triton model for each.
            reranker: folder of an exported reranker; None serves none.
            answer_cache_mb: memory of answers that are given again; none where a few queries are asked again and again.
            repository: model repository; None for the project's.
        """
        settings = self.settings
        options = ServerOptions(
            catalog=settings.catalog,
            state=settings.state,
            encoder=settings.encoder,
            ranker=settings.ranker,
            reranker=reranker,
            profile=profile,
            answer_cache_mb=answer_cache_mb,
            repository=repository,
            ports=Ports(grpc=0, http=0, metrics=0),
        )
        with TritonServer(options) as server:
            yield server
