"""What is learned from events without a gradient: popularity, repeat purchases, co-occurrence.

Pure functions over arrays. Each takes ``until``, so that training can learn from the past alone.
"""

from mercato.signals.cooccurrence import Cooccurrence, compute_cooccurrence
from mercato.signals.events import NO_ORDER, EventColumns
from mercato.signals.popularity import Popularity, compute_popularity
from mercato.signals.repeat import Repeat, compute_repeat

__all__ = [
    "NO_ORDER",
    "Cooccurrence",
    "EventColumns",
    "Popularity",
    "Repeat",
    "compute_cooccurrence",
    "compute_popularity",
    "compute_repeat",
]
