"""What a declaration of a Triton model says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from mercato.models.engine.declaration import EngineModel, Tensor
from mercato.models.engine.shapes import EngineShapes

if TYPE_CHECKING:  # a server's own process reads declarations and opens nothing
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings

DEFAULT_PROFILE = "default"
"""The profile of ``config.pbtxt``; every other has ``configs/<profile>.pbtxt``."""
ENGINE = "model.plan"
"""The file of an engine, in a model's exported folder and in its version's folder of a running server."""
ENGINE_QUEUE_DELAY_US = 200
"""How long a request waits for others to share its batch where a GPU runs it."""
QUEUE_TIMEOUT_S = 60
"""The longest that a request may wait in a queue. Only with such a limit does Triton heed the caller's own, which may
be shorter: ``allow_timeout_override`` without a default does nothing (measured on 2.51)."""

OpenedT = TypeVar("OpenedT")
CatalogKind = Literal["whole", "router", "shard"]
"""A snapshot as `mercato index` made it; what a router opens of one that was cut; one of its shards."""
CanaryValue = str | int | Sequence[int]


@dataclass(frozen=True, kw_only=True)
class ModelProfile:
    """How a model runs in one profile.

    Attributes:
        about: what it is there, the first line of its configuration.
        engine: whether it is a TensorRT engine, on the GPU; else it is a python model, on the CPU.
        instances: how many of it run. For a python model each is a process.
        queue_delay_us: how long a request may wait for others to share its batch.
        max_queue_size: requests that may wait; more are refused at once, at a cost of some 60 us of processor time.
        queue_timeout_s: seconds that a request may wait; a shorter timeout of its own counts, a longer one does not.
        stages: where the stages that it calls live; empty for a model that calls none.
        file: the file in its version's folder that runs it; empty for ``model.py``.
    """

    about: str
    engine: bool = False
    instances: int = 1
    queue_delay_us: int = 0
    max_queue_size: int = 1024
    queue_timeout_s: int = QUEUE_TIMEOUT_S
    stages: Literal["", "in_process", "remote"] = ""
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """The folder of exported files that a model is opened from; the server's option of the model's name gives it.

    Attributes:
        remedy: the command that makes it, with ``{folder}`` in it.
        files: what must be in it.
        networks: any of these can run; which one is used is the profile's matter.
        verify: what else must hold; raises ModelError.
    """

    remedy: str
    files: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    verify: Callable[[Path], object] | None = None


@dataclass(frozen=True, kw_only=True)
class TritonModel(Generic[OpenedT]):
    """One Triton model.

    Attributes:
        name: its name, and that of its folder in the model repository.
        inputs: in the order of its configuration; for a network that of the network.
        outputs: in the order of its configuration.
        profiles: how it runs, by profile. A profile that is not named runs it as ``default``.
        needs: the server's options without which it is not served.
        open: opens what its ``model.py`` calls, from the server's settings; the second argument runs an inference on
            another model, None where the stages live in the process of the model.
        canary: the small request that shows it works, a value for each input; None for zeros of its shapes.
        folder: its exported files; None where it has none of its own.
        shapes: what its engine is built for; None where no profile runs it as one.
        served_from: the kinds of catalogue with which it is served.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    profiles: Mapping[str, ModelProfile]
    needs: tuple[str, ...]
    open: Callable[[Settings, Call | None], OpenedT]
    canary: Mapping[str, CanaryValue] | None = None
    folder: ModelFolder | None = None
    shapes: EngineShapes | None = None
    served_from: tuple[CatalogKind, ...] = ("whole",)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of its inputs, in order."""
        return tuple(tensor.name for tensor in self.inputs)

    @property
    def optional_inputs(self) -> tuple[str, ...]:
        """The names of the inputs that a request may leave out, in order."""
        return tuple(tensor.name for tensor in self.inputs if tensor.optional)

    @property
    def engine(self) -> EngineModel | None:
        """What its engine is; None where no profile runs it as one."""
        if self.shapes is None:
            return None
        return EngineModel(name=self.name, inputs=self.inputs, outputs=self.outputs, shapes=self.shapes)


def text(name: str, *, optional: bool = False) -> Tensor:
    """Declare an input or output of one text."""
    return Tensor(name=name, data_type="BYTES", axes=(1,), optional=optional)


def whole_number(name: str, *, optional: bool = False) -> Tensor:
    """Declare an input of one whole number."""
    return Tensor(name=name, data_type="INT32", axes=(1,), optional=optional)


def python_profiles(about: str, *, default: int = 1, cpu: int = 1, cpu_bls: int = 1) -> dict[str, ModelProfile]:
    """Declare a python model that is the same in every profile, but for how many of it run.

    Args:
        about: what it is.
        default: instances beside engines, and of every profile that is not named here.
        cpu: instances where `search` and `recommend` hold the stages themselves.
        cpu_bls: instances where the stages live behind calls, on a CPU.
    """
    instances = {DEFAULT_PROFILE: default, "cpu": cpu, "cpu-bls": cpu_bls}
    return {profile: ModelProfile(about=about, instances=count) for profile, count in instances.items()}


def network_profiles(*, cpu_bls: int = 2) -> dict[str, ModelProfile]:
    """Declare a network: an engine, ONNX Runtime in a python model, or PyTorch in ``model_torch.py``.

    Args:
        cpu_bls: instances where the stages live behind calls, on a CPU.
    """
    onnx = "CPU: ONNX Runtime in a python model."
    return {
        DEFAULT_PROFILE: ModelProfile(
            about="GPU: a TensorRT engine, linked as 1/model.plan when the server starts.",
            engine=True,
            queue_delay_us=ENGINE_QUEUE_DELAY_US,
        ),
        "cpu": ModelProfile(about=onnx),
        "cpu-bls": ModelProfile(about=onnx, instances=cpu_bls),
        "torch": ModelProfile(
            about="PyTorch in a python model: on a GPU without TensorRT, in half precision with CUDA graphs. One "
            "process holds the GPU.",
            queue_delay_us=ENGINE_QUEUE_DELAY_US,
            file="model_torch.py",
        ),
    }
