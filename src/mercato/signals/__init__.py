"""What is learned from events without a gradient: popularity, repeats, what goes together.

Pure functions over arrays. Each takes ``until``, so that training can learn from the past alone.
"""

from mercato.signals.cooccurrence import Cooccurrence, compute_cooccurrence
from mercato.signals.ease import EaseOptions, compute_ease
from mercato.signals.events import NO_ORDER, EventColumns
from mercato.signals.factors import Factors, compute_factors
from mercato.signals.momentum import Momentum, compute_momentum
from mercato.signals.neighbours import Neighbours
from mercato.signals.popularity import Popularity, compute_popularity
from mercato.signals.regional import Regional, compute_regional
from mercato.signals.repeat import Repeat, compute_repeat

__all__ = [
    "NO_ORDER",
    "Cooccurrence",
    "EaseOptions",
    "EventColumns",
    "Factors",
    "Momentum",
    "Neighbours",
    "Popularity",
    "Regional",
    "Repeat",
    "compute_cooccurrence",
    "compute_ease",
    "compute_factors",
    "compute_momentum",
    "compute_popularity",
    "compute_regional",
    "compute_repeat",
]
