"""Measuring two things in turn, so that whatever slows the machine slows both."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")
SERVER, GENERATOR = 0, 1
"""Which side of a wire gets which processor."""


@frozen(kw_only=True)
class Plan:
    """How much is measured."""

    runs: int = 9
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


@contextlib.contextmanager
def unpinned_afterwards() -> Iterator[None]:
    """Give this process its processors back, if it pins itself: what follows would inherit it."""
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        yield
    finally:
        if mine is not None:
            os.sched_setaffinity(0, mine)


def in_turn(runs: int, *sides: Callable[[int], T]) -> list[tuple[T, ...]]:
    """Measure every side `runs` times, another one first each time; each is given the run's number.

    Returns for each run what the sides returned, in the order of `sides`.
    """
    return [_round(run, sides) for run in range(runs)]


def _round(run: int, sides: Sequence[Callable[[int], T]]) -> tuple[T, ...]:
    """Measure every side once."""
    done: dict[int, T] = {}
    for place in range(len(sides)):
        which = (run + place) % len(sides)
        gc.collect()
        done[which] = sides[which](run)
    return tuple(done[which] for which in range(len(sides)))


def middle(samples: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Return the median of each side."""
    return tuple(median(side) for side in zip(*samples, strict=True))
