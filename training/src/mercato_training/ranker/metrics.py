"""What a training of the ranker did and reached, from purchases and from ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mercato.errors import InvalidInputError
from mercato_training.common.metrics import Estimate, Metrics, Seconds, Tools
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.fit_ratings import RatingFitOptions
from mercato_training.ranker.keep_kind import KindWeight
from mercato_training.ranker.prediction_window import WindowOptions
from mercato_training.ranker.prepare import DataOptions
from mercato_training.ranker.reliability import Reliability

Figures = Mapping[str, Mapping[str, Estimate]]
"""System -> metric -> estimate; ``ranker - NAME`` holds a paired difference."""


@dataclass(frozen=True, kw_only=True)
class SplitDates:
    """Where each stretch of time starts, as ISO 8601; see `mercato_training.ranker.tasks.Split`."""

    train: str
    validation: str
    test: str
    end: str


@dataclass(frozen=True, kw_only=True)
class ExampleCounts:
    """Example lists by task.

    Attributes:
        search: searches.
        search_answerable: share of them whose candidates hold something bought.
        recommend: recommendations.
        recommend_answerable: likewise.
    """

    search: int
    search_answerable: float
    recommend: int
    recommend_answerable: float

    @property
    def lists(self) -> int:
        """Lists of both tasks."""
        return self.search + self.recommend


@dataclass(frozen=True, kw_only=True)
class ExampleSets:
    """Example lists by what they are for."""

    train: ExampleCounts
    validation: ExampleCounts
    test: ExampleCounts


@dataclass(frozen=True, kw_only=True)
class OutcomeShare:
    """How an outcome was learned.

    Attributes:
        lists: training lists that have it.
        loss: what its loss counts, beside 1 for purchases.
        score: what its score counts in the one that is served.
    """

    lists: int
    loss: float
    score: float


@dataclass(frozen=True, kw_only=True)
class RankerFitMetrics:
    """How the fit went.

    Attributes:
        epochs: passes.
        best_epoch: the one whose weights were kept, from 1.
        start_loss: validation loss of the order of retrieval.
        validation_loss: the least one.
        skip: weight of the order of retrieval in the score.
        kind: weight of the kind that was asked for.
        members: networks that answer together.
        outcomes: outcome -> how it was learned.
    """

    epochs: int
    best_epoch: int
    start_loss: float
    validation_loss: float
    skip: float
    kind: KindWeight
    members: int
    outcomes: Mapping[str, OutcomeShare]


@dataclass(frozen=True, kw_only=True)
class GroupMetrics:
    """Recommendations of a group of shoppers.

    Attributes:
        requests: how many.
        ranker: mean nDCG@10 of the ranker.
        retrieval: of the order before it.
    """

    requests: int
    ranker: float
    retrieval: float


@dataclass(frozen=True, kw_only=True)
class CalibrationGroup:
    """Probabilities of a group of shoppers.

    Attributes:
        candidates: how many.
        predicted: mean probability.
        observed: share bought.
    """

    candidates: int
    predicted: float
    observed: float


@dataclass(frozen=True, kw_only=True)
class CalibrationMetrics:
    """What the probabilities are worth; every figure is of shoppers left out of their fit.

    Attributes:
        event: what they are the probability of.
        method: the way that was taken.
        log_losses: way -> its cross-fitted log loss.
        shoppers: whose candidates they were fitted to.
        purchases: among them.
        folds: of shoppers.
        shopper_features: of the way that was taken.
        reliability: how well they agree with what happened.
        groups: group of shoppers -> its probabilities.
    """

    event: str
    method: str
    log_losses: Mapping[str, float]
    shoppers: int
    purchases: int
    folds: int
    shopper_features: list[str]
    reliability: Reliability
    groups: Mapping[str, CalibrationGroup]


@dataclass(frozen=True, kw_only=True)
class RankerOptions:
    """What the training was asked for; ``prediction_window`` is None where single orders were learned from."""

    data: DataOptions
    fit: FitOptions
    prediction_window: WindowOptions | None


@dataclass(frozen=True, kw_only=True)
class RankerMetrics(Metrics):
    """A training from purchases.

    Attributes:
        split: dates of the stretches of time.
        examples: lists by set and task.
        fit: how it went.
        results: task -> system -> metric -> estimate, on the test.
        groups: group of shoppers -> figures of its recommendations.
        calibration: of the probabilities; None where there was too little to fit them to.
        options: what was asked for.
        seconds: by part.
        tools: it was trained with.
    """

    split: SplitDates
    examples: ExampleSets
    fit: RankerFitMetrics
    results: Mapping[str, Figures]
    groups: Mapping[str, GroupMetrics]
    calibration: CalibrationMetrics | None
    options: RankerOptions
    seconds: Seconds
    tools: Tools


@dataclass(frozen=True, kw_only=True)
class FoldOptions:
    """What is held out of the ratings.

    Attributes:
        folds: parts of the queries, by `mercato.evaluation.folds.fold_of`; 0 to measure nothing.
        fold: the one part that is held out, for a network to be measured elsewhere, through a server; None to
            measure every part with a network that did not see it, and to write one that learned from all.
    """

    folds: int = 5
    fold: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InvalidInputError: no such fold.
        """
        if self.folds == 1 or self.folds < 0:
            raise InvalidInputError("--folds", f"must be 0 or at least 2, got {self.folds}")
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise InvalidInputError("--fold", f"must be from 0 to {self.folds - 1} of --folds, got {self.fold}")


@dataclass(frozen=True, kw_only=True)
class RatingCounts:
    """The ratings.

    Attributes:
        queries: how many.
        queries_that_teach: with a better and a worse product among those found.
        pairs: ratings.
        pairs_found: that retrieval finds in the window that is ranked, or sees below the floor.
        products_unknown: rated products that the catalogue lacks.
        levels: the ratings there are, rising.
    """

    queries: int
    queries_that_teach: int
    pairs: int
    pairs_found: int
    products_unknown: int
    levels: list[int]


@dataclass(frozen=True, kw_only=True)
class RatingFitMetrics:
    """How the fit went; ``left_out_loss`` is the least, of each query by the members that did not learn from it."""

    epochs: int
    best_epoch: int
    start_loss: float
    left_out_loss: float


@dataclass(frozen=True, kw_only=True)
class RatedRankerOptions:
    """What the training was asked for."""

    fit: RatingFitOptions


@dataclass(frozen=True, kw_only=True)
class RatedRankerSeconds:
    """How long each part took, in seconds."""

    data: float
    fit: float


@dataclass(frozen=True, kw_only=True)
class RatedRankerMetrics(Metrics):
    """A training from ratings.

    Attributes:
        features: of the ranker.
        ratings: that were learned from.
        folds: what was held out.
        fit: how it went.
        results: on what was held out; empty where nothing was.
        options: what was asked for.
        seconds: by part.
        tools: it was trained with.
    """

    features: int
    ratings: RatingCounts
    folds: FoldOptions
    fit: RatingFitMetrics
    results: Figures
    options: RatedRankerOptions
    seconds: RatedRankerSeconds
    tools: Tools
