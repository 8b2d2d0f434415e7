"""Fitting the sequence model's network to histories."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mercato.arrays import Int64
from mercato.errors import InvalidInputError, ModelError
from mercato_export.networks.sequence import SequenceConfig, SequenceNetwork
from mercato_training.common.fit_loop import Fit, NetworkLearner, fit_until_no_better
from mercato_training.sequence.data import Windows

SCORES_PER_STEP = 1 << 23
"""Scores of a step at most, which bounds its memory (about 100 MB) whatever the catalogue."""
ALL_PRODUCTS = 4_000
"""Up to so many products every one is scored; beyond, a drawn part of them: scoring 17,000 takes ten times as long."""
MEASURED = 64
"""Windows that are measured at a time."""
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class SequenceFitOptions:
    """How the network is fitted.

    Attributes:
        epochs: most passes over the windows.
        patience: passes without a better validation loss after which fitting stops.
        step_events: events in a step, padding included; fewer where the catalogue is large.
        learning_rate: of AdamW (Loshchilov and Hutter 2019) after a warm-up of one pass; it falls to a tenth along a
            cosine.
        weight_decay: of AdamW.
        all_products: up to so many products the softmax is over all of them.
        drawn: products that a step draws where it is not, by the square root of how often they occur.
        seed: of every draw; the same seed gives the same network.
        device: ``cpu``, or ``cuda``, where all but losses and weights is computed in bfloat16.
    """

    epochs: int = 60
    patience: int = 3
    step_events: int = 2048
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    all_products: int = ALL_PRODUCTS
    drawn: int = 1024
    seed: int = 17
    device: str = "cpu"


def fit_sequence(
    train: Callable[[np.random.Generator], Windows],
    validation: Windows,
    counts: Int64,
    config: SequenceConfig,
    options: SequenceFitOptions,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
    say: Callable[[str], None] = lambda line: None,
    *,
    texts: Tensor | None = None,
) -> Fit[SequenceNetwork]:
    """Fit a network to what came next at each position of the windows.

    Args:
        train: draws the windows to learn from, as many each time; it is asked before every pass.
        validation: windows whose last event decides when to stop; none stops at ``epochs``.
        counts: int64 [products + 1], events of each code.
        config: shape of the network.
        options: how to fit.
        report: told of progress.
        say: told of each pass.
        texts: float32 [products + 1, text_width], the products' text vectors; None without.

    Raises:
        ModelError: a loss is not a number; fitting was ended there.
    """
    learner = _SequenceLearner(train, validation, counts, config, options, report, texts)
    history = fit_until_no_better(
        learner,
        epochs=options.epochs,
        patience=options.patience,
        start_loss=learner.measure(),
        say=say,
        keep_last=not len(validation),
    )
    return Fit(network=learner.network.to("cpu"), **vars(history))


class _SequenceLearner(NetworkLearner[SequenceNetwork]):
    """The sequence model's network and its windows."""

    def __init__(
        self,
        train: Callable[[np.random.Generator], Windows],
        validation: Windows,
        counts: Int64,
        config: SequenceConfig,
        options: SequenceFitOptions,
        report: Callable[[str, int, int], None],
        texts: Tensor | None,
    ) -> None:
        torch.manual_seed(options.seed)
        super().__init__(SequenceNetwork(config))
        self._draw, self._validation, self._options, self._report = train, validation, options, report
        self._random = np.random.default_rng(options.seed)
        if texts is not None:
            self.network.texts.copy_(texts)
        whole = config.products <= options.all_products
        scored = config.products if whole else options.drawn
        self._events = int(np.clip(SCORES_PER_STEP // scored, config.max_length, options.step_events))
        self._windows = train(self._random)
        self._steps = steps = len(cut_batches(self._windows, self._events, self._random))
        self.network.to(options.device)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            betas=(0.9, 0.98),
            fused=True,  # one pass over the tables of all products, not ten
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _rate(step, steps, options.epochs)
        )
        self._sampler = None if whole else Sampler(counts, options.drawn, options.seed)

    def run_epoch(self, epoch: int) -> float:
        """Pass over windows, drawn anew but for the first pass; the mean loss over what came next."""
        self.network.train()
        total, indices_seen = 0.0, 0
        if epoch > 1:
            self._windows = self._draw(self._random)
        for step, rows in enumerate(cut_batches(self._windows, self._events, self._random)):
            self._report("fitting", (epoch - 1) * self._steps + step, self._options.epochs * self._steps)
            self._optimizer.zero_grad()
            read, following = self._windows.read[rows], self._windows.following[rows]
            loss, indices = compute_loss(self.network, read, following, self._sampler)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise ModelError(
                    f"sequence: the loss became {value} in pass {epoch}, step {step + 1}; nothing was written. Train "
                    f"with a learning rate below {self._options.learning_rate:g}"
                )
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self._optimizer.step()
            self._schedule.step()
            total, indices_seen = total + value * indices, indices_seen + indices
        return total / max(indices_seen, 1)

    def measure(self) -> float:
        """Return the mean loss over the windows that decide when to stop; NaN where there is none."""
        return measure_loss(self.network, self._validation)


def check_device(device: str) -> None:
    """Refuse a device that cannot be trained on.

    Raises:
        InvalidInputError: it is no device that is known, or this machine has none.
    """
    if device not in DEVICES:
        raise InvalidInputError("--device", f"must be one of {', '.join(DEVICES)}, got {device[:40]!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidInputError(
            "--device", "is cuda, but PyTorch finds no GPU here", "train with --device cpu, or where there is one"
        )


def cut_batches(windows: Windows, events: int, random: np.random.Generator) -> list[Int64]:
    """Put windows of like lengths into batches, so that little is padding.

    Args:
        windows: what is learned from.
        events: of a batch at most, padding included; a window is never cut.
        random: of which windows of one length stand together, and of the order of the batches.

    Returns:
        Rows of the windows, int64 [n] each; as many batches whatever is drawn.
    """
    lengths = np.count_nonzero(windows.read, axis=1)
    order = random.permutation(len(windows))
    order = order[np.argsort(lengths[order], kind="stable")]
    batches, start = [], 0
    while start < len(order):
        # The longest is the last: as many as fit beside the one that would be.
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * max(int(lengths[order[stop]]), 1) <= events:
            stop += 1
        batches.append(order[start:stop])
        start = stop
    return [batches[index] for index in random.permutation(len(batches)).tolist()]


class Sampler:
    """Draws products to be scored beside the right one."""

    def __init__(self, counts: Int64, drawn: int, seed: int) -> None:
        """Take how often each code occurs; a code is drawn in proportion to the square root of it."""
        share = np.sqrt(np.asarray(counts, np.float64))
        share[0] = 0.0
        self._share = share / share.sum()
        self._drawn = drawn
        self._random = np.random.default_rng(seed + 1)
        expected = np.maximum(self._share * drawn, 1e-12)
        self.log_expected = torch.from_numpy(np.log(expected).astype(np.float32))

    def draw(self) -> Tensor:
        """Draw codes, int64 [drawn], with repetition."""
        return torch.from_numpy(self._random.choice(len(self._share), self._drawn, p=self._share))


def compute_loss(
    network: SequenceNetwork, read: Int64, following: Int64, sampler: Sampler | None = None
) -> tuple[Tensor, int]:
    """Return the mean of ``-log softmax(scores)`` at what came next, over the positions where something did.

    With a sampler the softmax is over the right product and the drawn ones that are others, each score of these less
    the logarithm of how often its product is expected among them (Bengio and Senecal 2008; Jean et al. 2015): so each
    counts on average as it does in the softmax over all.

    Args:
        network: the network.
        read: int64 [windows, length].
        following: int64 [windows, length], 0 where nothing is to be learned.
        sampler: None scores every product.

    Returns:
        The loss, and over how many positions.
    """
    device = network.bias.device
    length = max(1, int(np.count_nonzero(read, axis=1).max(initial=1)))  # what all pad is not computed
    codes, target = (torch.from_numpy(array[:, :length].copy()).to(device) for array in (read, following))
    right = target[target > 0]
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        states = network.encode(codes)[target > 0]
        if sampler is None:
            scores = network.score(states, torch.arange(1, network.config.products + 1, device=device))
            return torch.nn.functional.cross_entropy(scores.float(), right - 1), len(right)
        drawn = sampler.draw()
        expected = sampler.log_expected[drawn].to(device)
        drawn = drawn.to(device)
        scores = network.score(states, drawn).float() - expected
        own = network.score_each(states, right).float().unsqueeze(1)
    scores = scores.masked_fill(drawn.unsqueeze(0) == right.unsqueeze(1), -torch.inf)
    return -torch.log_softmax(torch.cat((own, scores), dim=1), dim=1)[:, 0].mean(), len(right)


def measure_loss(network: SequenceNetwork, windows: Windows) -> float:
    """Return the mean loss over windows, of all products; NaN where there is none."""
    if not len(windows):
        return float("nan")
    network.eval()
    total, indices_seen = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(windows), MEASURED):
            rows = slice(start, start + MEASURED)
            loss, indices = compute_loss(network, windows.read[rows], windows.following[rows])
            total, indices_seen = total + float(loss) * indices, indices_seen + indices
    return total / indices_seen


def _rate(step: int, steps: int, epochs: int) -> float:
    if step < steps:
        return (step + 1) / steps
    done = (step - steps) / max(1, steps * (epochs - 1))
    return 0.1 + 0.45 * (1.0 + math.cos(math.pi * min(done, 1.0)))
