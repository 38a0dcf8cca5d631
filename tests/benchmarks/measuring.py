"""Measuring two things in turn, so that whatever slows the machine slows both."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")
SERVER, GENERATOR = 0, 1
"""Which side of a wire gets which processor."""


@frozen(kw_only=True)
class Plan:
    """How much is measured."""

    runs: int = 5
    scale: float = 1.0
    """How many events there are of those that a full bench takes."""

    def of(self, count: int) -> int:
        """Return how many of `count` are taken, always at least 200."""
        return max(200, int(count * self.scale))


FULL = Plan()
QUICK = Plan(runs=2, scale=0.1)


def pin(side: int) -> None:
    """Keep this process and its threads to the processor of one side, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {mine[side % len(mine)]})


def in_turn(runs: int, first: Callable[[int], T], second: Callable[[int], T]) -> list[tuple[T, T]]:
    """Measure both `runs` times, the one that begins changing; each is given the run's number."""
    pairs = []
    for run in range(runs):
        gc.collect()
        if run % 2:
            later = second(run)
            pairs.append((first(run), later))
        else:
            earlier = first(run)
            pairs.append((earlier, second(run)))
    return pairs


def middle(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median of each side."""
    return median(one for one, _ in samples), median(one for _, one in samples)
