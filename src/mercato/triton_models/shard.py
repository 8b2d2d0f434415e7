"""`shard`: what a router asks one shard of a catalogue; internal to the router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mercato.triton_models.declaration import TritonModel, python_profiles, text

if TYPE_CHECKING:
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings
    from mercato.shards.messages import ShardAnswerer


def _open(settings: Settings, call: Call | None) -> ShardAnswerer:
    from mercato.pipeline.factory import open_shard

    return open_shard(settings)


SHARD = TritonModel(
    name="shard",
    inputs=(text("MESSAGE"),),
    outputs=(text("REPLY"),),
    profiles=python_profiles("The products of one shard, in one process: it keeps a search between two rounds."),
    needs=("catalog",),
    open=_open,
    canary={"MESSAGE": "canary"},
    served_from=("shard",),
)
